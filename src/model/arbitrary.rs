//! Random data for property tests.

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;

use super::{Key, Node, Path, Scalar};

/// Keys that like to collide, to be integers, and to differ between UTF-8 and UTF-16 order.
pub fn key() -> impl Strategy<Value = Key> {
    prop_oneof![
        4 => "[abc]",
        2 => "-?0{0,2}[0-9]{1,2}",
        1 => "-?[0-9]{9,12}",
        2 => any_text(),
    ]
    .prop_map(|text| {
        let is_legal = |character: &char| Key::parse(&character.to_string()).is_ok();
        let legal: String = text.chars().filter(is_legal).collect();
        Key::parse(&legal).unwrap_or_else(|_| Key::index(0))
    })
}

/// Paths of at most `len_max` keys.
pub fn path(len_max: usize) -> impl Strategy<Value = Path> {
    vec(key(), 0..=len_max).prop_map(Path::from_keys)
}

/// Text with characters from every range that encodings treat differently.
pub fn any_text() -> impl Strategy<Value = String> {
    let character = prop_oneof![
        any::<char>(),
        prop::sample::select(vec!['a', 'z', '"', '\\', '\n', '\u{7f}', '\u{80}', '\u{7ff}', '\u{800}', '\u{d7ff}']),
        prop::sample::select(vec!['\u{e000}', '\u{fffd}', '\u{ffff}', '\u{10000}', '😀', '\u{10ffff}', '\u{2028}']),
    ];
    vec(character, 0..6).prop_map(|characters| characters.into_iter().collect())
}

pub fn number() -> impl Strategy<Value = Scalar> {
    prop_oneof![
        (-3_i64..3).prop_map(Scalar::Int),
        any::<i64>().prop_map(Scalar::Int),
        any::<f64>().prop_filter_map("finite", Scalar::number),
        any::<u64>().prop_filter_map("finite", |bits| Scalar::number(f64::from_bits(bits))),
    ]
}

pub fn scalar() -> impl Strategy<Value = Scalar> {
    prop_oneof![any::<bool>().prop_map(Scalar::Bool), number(), any_text().prop_map(Scalar::string)]
}

pub fn priority() -> impl Strategy<Value = Option<Scalar>> {
    option::weighted(0.3, prop_oneof![number(), any_text().prop_map(Scalar::string)])
}

/// Nodes of a few levels, empty ones among them.
pub fn node() -> impl Strategy<Value = Node> {
    let leaf = prop_oneof![
        1 => Just(Node::Empty),
        5 => (scalar(), priority()).prop_map(|(value, priority)| Node::Leaf { value, priority }),
    ];
    leaf.prop_recursive(4, 40, 6, |below| {
        (btree_map(key(), below, 0..6), priority()).prop_map(|(children, priority)| Node::inner(children, priority))
    })
}

pub fn without_priorities(node: &Node) -> Node {
    match node {
        Node::Inner(_) => {
            let children = node.children().map(|(key, child)| (key.clone(), without_priorities(child)));
            Node::inner(children.collect(), None)
        }
        leaf => leaf.clone().with_priority(None),
    }
}

/// Text made of pieces of JSON, sometimes valid.
pub fn tokens() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"a\":",
        "\"a/b\":",
        "\"b\":",
        "\".value\":",
        "\".priority\":",
        "\".sv\":",
        "\"increment\":",
        "\"timestamp\"",
        "{\".sv\":\"timestamp\"}",
        "{\".sv\":{\"increment\":1}}",
        "1",
        "-0.5",
        "1e400",
        "null",
        "true",
        "\"x\"",
        "\"\\ud800\"",
        "\"\\",
        "\u{feff}",
        "é",
        "{\"a\":1,",
        "{\"0\":",
        "[1,",
        " ",
    ]);
    vec(piece, 0..14).prop_map(|pieces| pieces.concat())
}
