//! Queries against a plain model: sort all children, then go through them.

use std::collections::BTreeMap;

use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::model::arbitrary;

/// A value as something that plain tuples can order: kind, number, text.
type Rank = (u8, f64, Vec<u16>);

fn rank(value: Option<&Scalar>) -> Rank {
    match value {
        None => (0, 0.0, vec![]),
        Some(Scalar::Bool(value)) => (1, f64::from(u8::from(*value)), vec![]),
        Some(Scalar::String(text)) => (3, 0.0, text.encode_utf16().collect()),
        Some(number) => (2, number.as_f64().unwrap(), vec![]),
    }
}

fn rank_of(node: Option<&Node>) -> Rank {
    match node {
        Some(Node::Leaf { value, .. }) => rank(Some(value)),
        Some(Node::Inner(_)) => (4, 0.0, vec![]),
        Some(Node::Empty) | None => rank(None),
    }
}

/// One end of a range as a client states it.
#[derive(Clone, Debug)]
struct Edge {
    value: Option<Scalar>,
    key: Option<Key>,
    inclusive: bool,
}

impl Edge {
    fn text(&self) -> String {
        let value = self.value.clone().map_or(Node::Empty, Node::leaf).to_json(crate::model::Format::Plain);
        match &self.key {
            Some(key) => format!("{value},{}", serde_json::to_string(key.as_str()).unwrap()),
            None => value,
        }
    }

    /// Whether a child lies on the inner side, where `outward` is how what lies beyond compares with the edge.
    fn admits(&self, outward: Ordering, child: &Rank, key: &Key) -> bool {
        let by_value = child.partial_cmp(&rank(self.value.as_ref())).unwrap();
        match &self.key {
            // Without a key, all children of the edge's value are on the edge.
            None => by_value != outward && (self.inclusive || by_value.is_ne()),
            Some(edge) => {
                let order = by_value.then(key.cmp(edge));
                order != outward && (self.inclusive || order.is_ne())
            }
        }
    }
}

fn edge() -> impl Strategy<Value = Edge> {
    let key = option::weighted(0.3, arbitrary::key());
    (option::weighted(0.8, small_scalar()), key, any::<bool>()).prop_map(|(value, key, inclusive)| Edge {
        value,
        key,
        inclusive,
    })
}

/// Few different values, so that ties are common.
fn small_scalar() -> impl Strategy<Value = Scalar> {
    prop_oneof![
        3 => (0..3_i64).prop_map(Scalar::Int),
        1 => Just(Scalar::Double(0.5)),
        1 => any::<bool>().prop_map(Scalar::Bool),
        2 => "[ab]".prop_map(Scalar::string),
        1 => arbitrary::scalar(),
    ]
}

fn children() -> impl Strategy<Value = BTreeMap<Key, Node>> {
    let leaf = || {
        (small_scalar(), option::of(small_scalar())).prop_map(|(value, priority)| {
            let priority = priority.filter(Scalar::is_priority);
            Node::Leaf { value, priority }
        })
    };
    let of_a = |child: Node| Node::inner(BTreeMap::from([(Key::parse("a").unwrap(), child)]), None);
    let child = prop_oneof![leaf(), leaf().prop_map(of_a), leaf().prop_map(move |child| of_a(of_a(child)))];
    prop::collection::btree_map(arbitrary::key(), child, 0..12)
}

proptest! {
    #[test]
    fn query_keeps_and_orders_children_as_sorting_all_of_them_does(
        children in children(),
        index in prop::sample::select(vec!["$value", "$priority", "a", "a/a"]),
        start in option::of(edge()),
        end in option::of(edge()),
    ) {
        let order_by = format!("\"{index}\"");
        let (start_text, end_text) = (start.as_ref().map(Edge::text), end.as_ref().map(Edge::text));
        let mut params = vec![("orderBy", order_by.as_str())];
        if let (Some(edge), Some(text)) = (&start, &start_text) {
            params.push((if edge.inclusive { "startAt" } else { "startAfter" }, text));
        }
        if let (Some(edge), Some(text)) = (&end, &end_text) {
            params.push((if edge.inclusive { "endAt" } else { "endBefore" }, text));
        }
        let query = Query::from_params(&params).unwrap().unwrap();

        let mut places: Vec<_> = children.iter().map(|(key, child)| query.place(key, child)).collect();
        places.sort();
        places.retain(|place| query.contains(place));
        let found: Vec<_> = places.into_iter().map(|place| place.key).collect();

        let at = |child: &Node, path: &str| rank_of(child.at(&Path::parse(path).unwrap()));
        let mut model: Vec<_> = children.iter().map(|(key, child)| {
            let rank = match index {
                "$value" => rank_of(Some(child)),
                "$priority" => rank(child.priority()),
                path => at(child, path),
            };
            (rank, key.clone())
        }).collect();
        model.sort_by(|a, b| a.partial_cmp(b).unwrap());
        let expected: Vec<_> = model
            .into_iter()
            .filter(|(rank, key)| start.as_ref().is_none_or(|edge| edge.admits(Ordering::Less, rank, key)))
            .filter(|(rank, key)| end.as_ref().is_none_or(|edge| edge.admits(Ordering::Greater, rank, key)))
            .map(|(_, key)| key)
            .collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn query_by_key_keeps_the_keys_of_its_range(
        children in children(),
        start in option::of((arbitrary::key(), any::<bool>())),
        end in option::of((arbitrary::key(), any::<bool>())),
    ) {
        let text = |bound: &Option<(Key, bool)>| {
            bound.as_ref().map(|(key, _)| serde_json::to_string(key.as_str()).unwrap()).unwrap_or_default()
        };
        let (start_text, end_text) = (text(&start), text(&end));
        let mut params = vec![("orderBy", "\"$key\"")];
        if let Some((_, inclusive)) = start {
            params.push((if inclusive { "startAt" } else { "startAfter" }, &start_text));
        }
        if let Some((_, inclusive)) = end {
            params.push((if inclusive { "endAt" } else { "endBefore" }, &end_text));
        }
        let query = Query::from_params(&params).unwrap().unwrap();
        for (key, child) in &children {
            let after = start.as_ref().is_none_or(|(edge, inclusive)| key > edge || (*inclusive && key == edge));
            let before = end.as_ref().is_none_or(|(edge, inclusive)| key < edge || (*inclusive && key == edge));
            prop_assert_eq!(query.contains(&query.place(key, child)), after && before, "{}", key);
        }
    }
}

#[test]
fn bound_with_an_illegal_key_still_has_its_place() {
    let place = |key: &str| Place { value: IndexValue::Null, key: Key::parse(key).unwrap() };
    let after = |key: BoundKey| Query {
        start: Some(Bound { value: IndexValue::Null, key: Some(key), inclusive: true }),
        ..Query::default()
    };
    // The successor of `a` that Android and iOS compute, and one with a character that no key may have.
    let successor = after(BoundKey::Text("a-".to_owned()));
    assert!(!successor.contains(&place("a")) && successor.contains(&place("a0")));
    let odd = after(BoundKey::Text("a.\u{ffff}".repeat(400)));
    assert!(!odd.contains(&place("a")) && odd.contains(&place("b")));
    assert!(after(BoundKey::Min).contains(&place("-5")) && !after(BoundKey::Max).contains(&place("\u{ffff}")));
}

#[test]
fn bound_on_null_is_different_from_no_bound() {
    let query = Query::from_params(&[("orderBy", "\"n\""), ("equalTo", "null")]).unwrap().unwrap();
    let child =
        |name: &str| Node::inner(BTreeMap::from([(Key::parse(name).unwrap(), Node::leaf(Scalar::Int(1)))]), None);
    let key = Key::parse("k").unwrap();
    assert!(query.contains(&query.place(&key, &child("m"))));
    assert!(!query.contains(&query.place(&key, &child("n"))));
}
