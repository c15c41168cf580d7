//! Events on their way into the bytes of one encoder.

use bytes::Bytes;

use super::event::{Encoder, Event, EventType, EventTypes, Position};
use super::project::Projection;
use super::view::ChildEvent;
use crate::model::Node;

pub(super) fn encode(encoder: &dyn Encoder, event: &Event<'_>, position: Option<&Position<'_>>) -> Bytes {
    let mut out = Vec::with_capacity(256);
    encoder.encode(event, position, &mut out);
    Bytes::from(out)
}

pub(super) fn encode_projection(
    encoder: &dyn Encoder,
    projection: &Projection<'_>,
    position: Option<&Position<'_>>,
) -> Bytes {
    match projection {
        Projection::Put { path, node } => encode(encoder, &Event::Put { path, node }, position),
        Projection::Patch { path, changes } => encode(encoder, &Event::Patch { path, changes }, position),
    }
}

/// The events of one record that `types` asks for, numbered; those up to `after` (a part number) were told before.
/// `None`: there are none.
pub(super) fn encode_children(
    encoder: &dyn Encoder,
    events: &[ChildEvent],
    value: Option<&Node>,
    types: EventTypes,
    position: &Position<'_>,
    after: Option<u32>,
) -> Option<Bytes> {
    let wanted: Vec<Event<'_>> = events
        .iter()
        .filter(|event| types.contains(event.event_type))
        .map(ChildEvent::borrowed)
        .chain(value.map(|node| Event::Child { event_type: EventType::Value, key: None, node, prev_key: None }))
        .collect();
    let mut out = Vec::new();
    for (part, event) in (0_u32..).zip(&wanted) {
        if after.is_some_and(|after| part <= after) {
            continue;
        }
        let is_last = part as usize + 1 == wanted.len();
        encoder.encode(event, Some(&Position { part, is_last, ..*position }), &mut out);
    }
    (!out.is_empty()).then(|| Bytes::from(out))
}

impl ChildEvent {
    fn borrowed(&self) -> Event<'_> {
        Event::Child {
            event_type: self.event_type,
            key: Some(&self.key),
            node: &self.node,
            prev_key: self.prev_key.as_ref(),
        }
    }
}
