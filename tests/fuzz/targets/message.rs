//! Whole messages of the realtime protocol, with the bodies of requests.
//!
//! A message is read the same again; data that is to be written is that of its own text.

#![no_main]

use beaconfire::model::{Draft, Format, Node, Value, WriteOp};
use beaconfire::protocols::realtime::fuzzing::{Action, Incoming, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let incoming = parse(data);
    assert_eq!(format!("{incoming:?}"), format!("{:?}", parse(data)));
    if let Ok(Incoming::Request(request)) = incoming
        && let Action::Write { write, .. } = request.action
        && let WriteOp::Set(Draft { value: Value::Node(node), .. }) = write.op
    {
        assert_eq!(read(&node.to_json(Format::Export)), node);
    }
});

fn read(text: &str) -> Node {
    match Draft::parse(text.as_bytes(), 0).map(|draft| draft.value) {
        Ok(Value::Node(node)) => node,
        other => panic!("{text}: {other:?}"),
    }
}
