//! Query objects of the realtime protocol (JSON) and REST parameters (`a=b&c=d`).
//!
//! A query's children lie together in its order: none that it leaves out stands between two that it takes.

#![no_main]

use std::sync::LazyLock;

use beaconfire::model::{Draft, Node, Query, Value};
use libfuzzer_sys::fuzz_target;

static CHILDREN: LazyLock<Node> = LazyLock::new(|| {
    let text = r#"{"-5":1,"0":{"a":null,"b":1},"7":{"a":5},"9":{"a":5},"10":{"a":5,".priority":2},"-":true,
        "a":{"a":"x"},
        "a-":{"a":"x",".priority":"p"},"b":{"a":{"a":5}},"c":{"a":false},"d":"x","e":-0.5,"z":{"a":1e300},"😀":"y"}"#;
    match Draft::parse(text.as_bytes(), 0).map(|draft| draft.value) {
        Ok(Value::Node(node)) => node,
        other => panic!("{other:?}"),
    }
});

fuzz_target!(|data: &[u8]| {
    if let Ok(object) = serde_json::from_slice(data)
        && let Ok(query) = Query::from_wire(&object)
    {
        check(&query);
    }
    if let Ok(text) = std::str::from_utf8(data) {
        let params: Vec<_> = text.split('&').filter_map(|pair| pair.split_once('=')).collect();
        if let Ok(Some(query)) = Query::from_params(&params) {
            check(&query);
        }
    }
});

fn check(query: &Query) {
    let mut places: Vec<_> = CHILDREN.children().map(|(key, child)| query.place(key, child)).collect();
    places.sort();
    let mut taken: Vec<_> = places.iter().map(|place| query.contains(place)).collect();
    assert!(!query.is_whole() || taken.iter().all(|taken| *taken), "{query:?}");
    taken.dedup();
    assert!(taken.iter().filter(|taken| **taken).count() <= 1, "{query:?}");
}
