//! What listens are told: initial data, hashes, overlaps, windows, slow readers (9, 10, 18).

use std::io::Write as _;

use serde_json::{Map, Value, json};

use crate::dice::Dice;
use crate::realtime_client::Realtime;
use crate::support::Server;

fn server_with(data: &str) -> Server {
    let server = Server::ephemeral();
    server.put("/.json?ns=foo", data);
    server
}

/// Everything that is pushed until now, as `kind body`, one line each.
fn pushed(client: &mut Realtime) -> Vec<String> {
    let (pushes, _) = client.ask(900, "s", "{}");
    pushes.iter().map(|push| format!("{} {}", push["a"].as_str().unwrap(), push["b"])).collect()
}

/// Does each write through `writer` and compares what `client` is pushed for it.
#[track_caller]
fn check(client: &mut Realtime, writer: &mut Realtime, table: &[(&str, &str, &[&str])]) {
    for (action, body, expected) in table {
        assert_eq!(writer.ask(1, action, body).1["s"], "ok", "{action} {body}");
        let expected: Vec<String> = expected
            .iter()
            .map(|line| {
                let (kind, body) = line.split_once(' ').unwrap();
                format!("{kind} {}", serde_json::from_str::<Value>(body).unwrap())
            })
            .collect();
        assert_eq!(pushed(client), expected, "{action} {body}");
    }
}

// ---- initial data and hashes (checklist 25 to 28) ------------------------------------------------------------------

#[test]
fn data_comes_before_the_ok_unless_the_client_has_it() {
    let server = server_with(r#"{"a":{"b":1},"t":"hello","p":{".value":5,".priority":7}}"#);
    Realtime::connect(server.address(), "foo").play(
        r#"
        C> {"r":1,"a":"q","b":{"p":"/a","h":""}}
        S> {"b":{"p":"a","d":{"b":1}},"a":"d"}
        S> {"r":1,"b":{"s":"ok","d":{}}}
        C> {"r":2,"a":"q","b":{"p":"/t","h":"z6sRbrNLwbHX5fdjpvsTtWgXUFc="}}
        S> {"r":2,"b":{"s":"ok","d":{}}}
        C> {"r":3,"a":"q","b":{"p":"/p","h":"wrong"}}
        S> {"b":{"p":"p","d":{".value":5,".priority":7}},"a":"d"}
        S> {"r":3,"b":{"s":"ok","d":{}}}
        C> {"r":4,"a":"q","b":{"p":"/p","h":"5KHjKDqmEGEiJPaWRM1aPyhb2b0="}}
        S> {"r":4,"b":{"s":"ok","d":{}}}
                    nothing there, and the client knows it
        C> {"r":5,"a":"q","b":{"p":"/x","h":""}}
        S> {"r":5,"b":{"s":"ok","d":{}}}
                    nothing there, and the client holds something
        C> {"r":6,"a":"q","b":{"p":"/y","h":"z6sRbrNLwbHX5fdjpvsTtWgXUFc="}}
        S> {"b":{"p":"y","d":null},"a":"d"}
        S> {"r":6,"b":{"s":"ok","d":{}}}
                    an SDK without hashes is always told
        C> {"r":7,"a":"q","b":{"p":"/z"}}
        S> {"b":{"p":"z","d":null},"a":"d"}
        S> {"r":7,"b":{"s":"ok","d":{}}}
                    a query is told that there is nothing, and compared by its window
        C> {"r":8,"a":"q","b":{"p":"/x","q":{"l":1,"vf":"l"},"t":1,"h":""}}
        S> {"b":{"p":"x","d":null,"t":1},"a":"d"}
        S> {"r":8,"b":{"s":"ok","d":{}}}
        C> {"r":9,"a":"q","b":{"p":"/a","q":{"l":1,"vf":"l","i":".key"},"t":2,"h":"bk8dIh8Akxn4Q4uTVwWtl4dxNyg="}}
        S> {"b":{"p":"a","d":{"b":1},"t":2},"a":"d"}
        S> {"r":9,"b":{"s":"ok","d":{}}}
        "#,
    );
}

/// Mobile SDKs send hashes of the parts that they hold; those of the two parts are vectors of 12.4.
#[test]
fn client_with_hashes_of_its_parts_is_told_only_the_parts_that_differ() {
    const CH: &str = concat!(
        r#"{"ps":["bar/deep","foo/other-deep"],"#,
        r#""hs":["Nq6PLLUyjPbRcyM3tpvqXJ5Dzm8=","YRXpspSj3AnV90ZFjfGLH9lHAp8=",""]}"#
    );
    let server = server_with(r#"{"r":{"bar":{"deep":"value"},"foo":{"other-deep":"value"}}}"#);
    let mut client = Realtime::connect(server.address(), "foo");
    let mut told = |ch: &str, writes: &str| {
        if !writes.is_empty() {
            server.request("PATCH", "/r.json?ns=foo", &[], writes);
        }
        let (pushes, answer) = client.ask(1, "q", &format!(r#"{{"p":"/r","h":"old","ch":{ch}}}"#));
        assert_eq!(answer, json!({ "s": "ok", "d": {} }));
        client.done(2, "n", r#"{"p":"/r"}"#);
        pushes
    };
    let merge = |ranges: Value| vec![json!({ "a": "rm", "b": { "p": "r", "d": ranges } })];
    let changed = json!({ "s": "bar/deep", "e": "foo/other-deep", "m": { "foo": { "other-deep": "new" } } });
    assert_eq!(told(CH, r#"{"foo/other-deep":"new"}"#), merge(json!([changed])));
    // Neighbours are told as one; the last is open.
    let both = json!({ "s": "bar/deep", "m": { "foo": { "other-deep": "new" }, "qux": 1 } });
    assert_eq!(told(CH, r#"{"qux":1}"#), merge(json!([both])));
    // What makes no sense is ignored: all data comes.
    let all = json!({ "bar": { "deep": "value" }, "foo": { "other-deep": "new" }, "qux": 1 });
    for ch in ["{}", "7", r#"{"ps":["a"],"hs":["x"]}"#, r#"{"ps":5,"hs":[]}"#] {
        assert_eq!(told(ch, ""), [json!({ "a": "d", "b": { "p": "r", "d": all } })], "{ch}");
    }
}

#[test]
fn reconnected_client_is_told_only_what_changed() {
    let server = server_with(r#"{"same":"hello","other":1}"#);
    let mut client = Realtime::connect(server.address(), "foo");
    client.close();
    server.put("/other.json?ns=foo", "2");
    let target = format!("/.ws?v=5&ns=foo&ls={}", client.id());
    Realtime::connect_at(server.address(), "h", &target).play(
        r#"
        C> {"r":1,"a":"q","b":{"p":"/same","h":"z6sRbrNLwbHX5fdjpvsTtWgXUFc="}}
        C> {"r":2,"a":"q","b":{"p":"/other","h":"YPVfR2bXt/lcDjiQZ8pOkAd3qkQ="}}
        S> {"r":1,"b":{"s":"ok","d":{}}}
        S> {"b":{"p":"other","d":2},"a":"d"}
        S> {"r":2,"b":{"s":"ok","d":{}}}
        "#,
    );
}

#[test]
fn writer_hears_its_own_writes_before_their_answers() {
    let server = Server::ephemeral();
    let mut other = Realtime::connect(server.address(), "foo");
    other.done(1, "q", r#"{"p":"/n","h":""}"#);
    Realtime::connect(server.address(), "foo").play(
        r#"
        C> {"r":1,"a":"q","b":{"p":"/n","h":""}}
        C> {"r":2,"a":"p","b":{"p":"/n","d":1}}
        C> {"r":3,"a":"p","b":{"p":"/n","d":2}}
        C> {"r":4,"a":"g","b":{"p":"/n","q":{}}}
        C> {"r":5,"a":"p","b":{"p":"/n","d":3}}
        S> {"r":1,"b":{"s":"ok","d":{}}}
        S> {"b":{"p":"n","d":1},"a":"d"}
        S> {"r":2,"b":{"s":"ok","d":""}}
        S> {"b":{"p":"n","d":2},"a":"d"}
        S> {"r":3,"b":{"s":"ok","d":""}}
        S> {"r":4,"b":{"s":"ok","d":2}}
        S> {"b":{"p":"n","d":3},"a":"d"}
        S> {"r":5,"b":{"s":"ok","d":""}}
        "#,
    );
    assert_eq!(pushed(&mut other), [1, 2, 3].map(|n| format!(r#"d {{"d":{n},"p":"n"}}"#)));
}

// ---- what is pushed for a write (checklist 30, 33, 34, 36, 37, 64) -------------------------------------------------

#[test]
fn writes_around_a_listen_are_told_as_it_must_apply_them() {
    let server = server_with(r#"{"l":{"a":1},"x":1}"#);
    let (mut client, mut writer) =
        (Realtime::connect(server.address(), "foo"), Realtime::connect(server.address(), "foo"));
    client.ask(1, "q", r#"{"p":"/l","h":""}"#);
    check(
        &mut client,
        &mut writer,
        &[
            ("p", r#"{"p":"/x","d":2}"#, &[]),
            ("p", r#"{"p":"/l/b/c","d":[1,2]}"#, &[r#"d {"p":"l/b/c","d":{"0":1,"1":2}}"#]),
            ("m", r#"{"p":"/","d":{"l/a":2,"x":3}}"#, &[r#"d {"p":"l/a","d":2}"#]),
            ("m", r#"{"p":"/","d":{"l/a":3,"l/b/c":null,"x":4}}"#, &[r#"m {"p":"l","d":{"a":3,"b/c":null}}"#]),
            ("m", r#"{"p":"/l/d","d":{"e":1,"f/g":2}}"#, &[r#"m {"p":"l/d","d":{"e":1,"f/g":2}}"#]),
            ("p", r#"{"p":"/","d":{"l":{"z":1},"secret":1}}"#, &[r#"d {"p":"l","d":{"z":1}}"#]),
            ("p", r#"{"p":"/l/z","d":1}"#, &[]),
            ("p", r#"{"p":"/l/.priority","d":5}"#, &[r#"d {"p":"l","d":{".priority":5,"z":1}}"#]),
            (
                "p",
                r#"{"p":"/l/z/y","d":{".value":1,".priority":"p"}}"#,
                &[r#"d {"p":"l/z/y","d":{".value":1,".priority":"p"}}"#],
            ),
            ("p", r#"{"p":"/","d":null}"#, &[r#"d {"p":"l","d":null}"#]),
        ],
    );
}

#[test]
fn overlapping_listens_lose_nothing_and_double_nothing() {
    let server = Server::ephemeral();
    let (mut client, mut writer) =
        (Realtime::connect(server.address(), "foo"), Realtime::connect(server.address(), "foo"));
    let mut n = 0;
    let mut write = |client: &mut Realtime| {
        n += 1;
        writer.done(1, "p", &format!(r#"{{"p":"/a/b","d":{n}}}"#));
        let expected = format!(r#"d {{"d":{n},"p":"a/b"}}"#);
        let pushed = pushed(client);
        assert!(pushed.iter().all(|push| *push == expected), "{pushed:?}");
        pushed.len()
    };
    client.done(1, "q", r#"{"p":"/a/b","h":""}"#);
    assert_eq!(write(&mut client), 1);
    // A listen above: told all there is, and from then on it alone is served.
    assert_eq!(client.ask(2, "q", r#"{"p":"/a","h":""}"#).0.len(), 1);
    assert_eq!(write(&mut client), 1);
    client.done(3, "n", r#"{"p":"/a/b"}"#);
    assert_eq!(write(&mut client), 1);
    // The one below comes back, then the upper one goes.
    assert_eq!(client.ask(4, "q", r#"{"p":"/a/b","h":""}"#).0.len(), 1);
    assert_eq!(write(&mut client), 1);
    client.done(5, "n", r#"{"p":"/a"}"#);
    assert_eq!(write(&mut client), 1);
    // Listened to once more without an end between.
    client.ask(6, "q", r#"{"p":"/a/b","h":""}"#);
    assert_eq!(write(&mut client), 1);
    client.done(7, "n", r#"{"p":"/a/b"}"#);
    assert_eq!(write(&mut client), 0);
}

#[test]
fn queries_and_the_default_listen_at_one_place_are_told_each() {
    let server = server_with(r#"{"l":{"a":{"n":3},"b":{"n":2},"c":{"n":1}}}"#);
    let (mut client, mut writer) =
        (Realtime::connect(server.address(), "foo"), Realtime::connect(server.address(), "foo"));
    client.ask(1, "q", r#"{"p":"/l","q":{"l":1,"vf":"l"},"t":1,"h":""}"#);
    client.ask(2, "q", r#"{"p":"/l","q":{"l":1,"vf":"r"},"t":2,"h":""}"#);
    client.ask(3, "q", r#"{"p":"/l","q":{"l":1,"vf":"l","i":"n"},"t":5,"h":""}"#);
    client.ask(4, "q", r#"{"p":"/l","h":""}"#);
    let sorted = |client: &mut Realtime| {
        let mut pushed = pushed(client);
        pushed.sort();
        pushed
    };
    writer.done(1, "p", r#"{"p":"/l/0","d":{"n":0}}"#);
    assert_eq!(
        sorted(&mut client),
        [
            r#"d {"d":{"n":0},"p":"l/0"}"#,
            r#"m {"d":{"0":{"n":0},"a":null},"p":"l","t":1}"#,
            r#"m {"d":{"0":{"n":0},"c":null},"p":"l","t":5}"#,
        ]
    );
    client.done(5, "n", r#"{"p":"/l"}"#);
    client.done(6, "n", r#"{"p":"/l","q":{"l":1,"vf":"l"},"t":1}"#);
    writer.done(2, "m", r#"{"p":"/l","d":{"0/n":-1,"z":{"n":-2},"c":null}}"#);
    assert_eq!(
        sorted(&mut client),
        [r#"m {"d":{"0":null,"z":{"n":-2}},"p":"l","t":5}"#, r#"m {"d":{"c":null,"z":{"n":-2}},"p":"l","t":2}"#,]
    );
}

#[test]
fn window_moves_in_one_push_and_tells_inner_changes_deeply() {
    let server = server_with(r#"{"l":{"a":{"n":1},"b":{"n":2},"c":{"n":3}}}"#);
    let (mut client, mut writer) =
        (Realtime::connect(server.address(), "foo"), Realtime::connect(server.address(), "foo"));
    client.ask(1, "q", r#"{"p":"/l","q":{"l":2,"vf":"r"},"t":1,"h":""}"#);
    check(
        &mut client,
        &mut writer,
        &[
            ("p", r#"{"p":"/l/d","d":{"n":4}}"#, &[r#"m {"p":"l","d":{"b":null,"d":{"n":4}},"t":1}"#]),
            ("p", r#"{"p":"/l/d/x/y","d":1}"#, &[r#"d {"p":"l/d/x/y","d":1,"t":1}"#]),
            ("p", r#"{"p":"/l/a/x","d":1}"#, &[]),
            ("p", r#"{"p":"/l/d","d":null}"#, &[r#"m {"p":"l","d":{"d":null,"b":{"n":2}},"t":1}"#]),
            ("p", r#"{"p":"/l","d":{"q":1,"r":2,"s":3}}"#, &[r#"d {"p":"l","d":{"r":2,"s":3},"t":1}"#]),
            ("p", r#"{"p":"/","d":null}"#, &[r#"d {"p":"l","d":null,"t":1}"#]),
        ],
    );
}

#[test]
fn other_protocols_hear_the_realtime_one_and_are_heard() {
    let server = Server::ephemeral();
    let mut events = server.events("/a.json?ns=foo");
    let mut client = Realtime::connect(server.address(), "foo");
    client.done(1, "q", r#"{"p":"/a","h":""}"#);
    assert_eq!(events.next().data, r#"{"path":"/","data":null}"#);
    client.ask(2, "p", r#"{"p":"/a","d":{"x":1}}"#);
    assert_eq!(events.next().data, r#"{"path":"/","data":{"x":1}}"#);
    server.put("/a/y.json?ns=foo", "2");
    server.put("/a/y.json?ns=bar", "3");
    assert_eq!(pushed(&mut client), [r#"d {"d":2,"p":"a/y"}"#]);
}

// ---- windows against a model (checklist 35) ------------------------------------------------------------------------

const QUERIES: [&str; 12] = [
    r#"{"l":3,"vf":"l"}"#,
    r#"{"l":2,"vf":"r"}"#,
    r#"{"l":2,"vf":"r","i":"n"}"#,
    r#"{"l":3,"vf":"l","i":"n/m"}"#,
    r#"{"sp":1,"sin":true,"ep":2,"ein":false,"i":"n"}"#,
    r#"{"sp":1,"sn":"[MAX_NAME]","sin":false,"l":2,"vf":"l","i":"n"}"#,
    r#"{"sp":null,"ep":null,"i":"n"}"#,
    r#"{"sp":"a","i":".value"}"#,
    r#"{"l":2,"vf":"r","i":".value"}"#,
    r#"{"sp":"b","sin":false,"ep":"e","l":2,"vf":"r","i":".key"}"#,
    r#"{"sp":1,"sn":"c","l":3,"vf":"l"}"#,
    r#"{"ep":"x","en":"d","ein":true,"l":2,"vf":"r"}"#,
];

/// Random writes: what a client makes of the pushes is always what a newcomer is told.
#[test]
fn window_of_pushes_is_what_a_newcomer_sees() {
    let server = server_with(r#"{"l":{"a":1,"b":{"n":2},"c":{"n":1,".priority":1}}}"#);
    let mut dice = Dice::from_environment();
    let mut client = Realtime::connect(server.address(), "foo");
    let mut writer = Realtime::connect(server.address(), "foo");
    let listen = |query: &str, tag: usize| format!(r#"{{"p":"/l","q":{query},"t":{tag},"h":""}}"#);
    let mut mirrors: Vec<Value> = Vec::new();
    for (tag, query) in QUERIES.iter().enumerate() {
        let (pushes, _) = client.ask(1, "q", &listen(query, tag));
        mirrors.push(pushes[0]["b"]["d"].clone());
    }
    for round in 0..200 {
        let (action, body) = random_write(&mut dice);
        writer.ask(1, action, &body);
        let (pushes, _) = client.ask(2, "s", "{}");
        let mut tags = Vec::new();
        for push in pushes {
            let tag = push["b"]["t"].as_u64().unwrap() as usize;
            assert!(!tags.contains(&tag), "two pushes for one write: {push}");
            tags.push(tag);
            apply(&mut mirrors[tag], &push);
        }
        if round % 5 == 4 {
            let mut newcomer = Realtime::connect(server.address(), "foo");
            for (tag, query) in QUERIES.iter().enumerate() {
                let (pushes, _) = newcomer.ask(1, "q", &listen(query, tag));
                assert_eq!(mirrors[tag], pushes[0]["b"]["d"], "round {round}, {query}, after {action} {body}");
            }
        }
    }
}

fn random_write(dice: &mut Dice) -> (&'static str, String) {
    let key = |dice: &mut Dice| ["a", "b", "c", "d", "e", "f", "1", "10"][dice.below(8) as usize];
    let value = |dice: &mut Dice| {
        let n = dice.below(4);
        match dice.below(9) {
            0..=2 => "null".to_owned(),
            3 => n.to_string(),
            4 => format!(r#""{}""#, ["a", "b", "x", ""][n as usize]),
            5 => format!(r#"{{"n":{n},".priority":{}}}"#, dice.below(3)),
            6 => format!(r#"{{".value":{n},".priority":"x"}}"#),
            7 => format!(r#"{{"n":{{"m":{n}}}}}"#),
            _ => format!(r#"{{"n":{n}}}"#),
        }
    };
    let (first, second) = (key(dice), key(dice));
    let (data, more) = (value(dice), value(dice));
    match dice.below(12) {
        0 => ("p", format!(r#"{{"p":"/l/{first}/n","d":{data}}}"#)),
        1 => ("p", format!(r#"{{"p":"/l/{first}/n/m","d":{}}}"#, dice.below(4))),
        2 if first != second => ("m", format!(r#"{{"p":"/l","d":{{"{first}":{data},"{second}":{more}}}}}"#)),
        3 if first != second => ("m", format!(r#"{{"p":"/","d":{{"l/{first}":{data},"l/{second}/n":{more},"x":1}}}}"#)),
        4 => ("p", format!(r#"{{"p":"/l/{first}/.priority","d":{}}}"#, dice.below(3))),
        5 if dice.below(4) == 0 => ("p", format!(r#"{{"p":"/","d":{{"l":{{"{first}":{data},"{second}x":{more}}}}}}}"#)),
        6 if dice.below(6) == 0 => ("p", r#"{"p":"/l","d":null}"#.to_owned()),
        _ => ("p", format!(r#"{{"p":"/l/{first}","d":{data}}}"#)),
    }
}

/// What a client does with a push for a listen at `/l`.
fn apply(mirror: &mut Value, push: &Value) {
    let body = &push["b"];
    let base: Vec<&str> = body["p"].as_str().unwrap().split('/').skip(1).collect();
    match push["a"].as_str().unwrap() {
        "d" => set(mirror, &base, body["d"].clone()),
        "m" => {
            for (below, value) in body["d"].as_object().unwrap() {
                set(mirror, &[&base[..], &below.split('/').collect::<Vec<_>>()].concat(), value.clone());
            }
        }
        other => panic!("a push of kind {other}"),
    }
}

/// Sets data in export format by the rules of the tree (11.2).
fn set(tree: &mut Value, path: &[&str], value: Value) {
    let Some((first, rest)) = path.split_first() else {
        *tree = value;
        return;
    };
    let is_inner = tree.is_object() && tree.get(".value").is_none();
    if !is_inner && value.is_null() {
        return;
    }
    if !is_inner {
        let priority = tree.get(".priority").map(|priority| (".priority".to_owned(), priority.clone()));
        *tree = Value::Object(priority.into_iter().collect::<Map<_, _>>());
    }
    let children = tree.as_object_mut().unwrap();
    set(children.entry(*first).or_insert(Value::Null), rest, value);
    if children[*first].is_null() {
        children.remove(*first);
    }
    if children.keys().all(|key| key == ".priority") {
        *tree = Value::Null;
    }
}

// ---- indexes (checklist 40) ----------------------------------------------------------------------------------------

#[test]
fn missing_index_refuses_reads_and_warns_listens() {
    let server = server_with(r#"{"l":{"a":{"x":1},"b":{"x":2}}}"#);
    let script = r#"
        C> {"r":1,"a":"g","b":{"p":"/l","q":{"l":1,"vf":"l","i":"x"}}}
        S> {"r":1,"b":{"s":"failure","d":"Index not defined, add \".indexOn\": \"x\", for path \"/l\", to the rules"}}
        C> {"r":2,"a":"g","b":{"p":"/","q":{"sp":1,"i":"n/m"}}}
        S> {"r":2,"b":{"s":"failure","d":"Index not defined, add \".indexOn\": \"n/m\", for path \"/\", to the rules"}}
        C> {"r":3,"a":"g","b":{"p":"/l","q":{"i":"x"}}}
        S> {"r":3,"b":{"s":"ok","d":{"a":{"x":1},"b":{"x":2}}}}
        C> {"r":4,"a":"g","b":{"p":"/l","q":{"l":1,"vf":"l","i":".key"}}}
        S> {"r":4,"b":{"s":"ok","d":{"a":{"x":1}}}}
        C> {"r":5,"a":"g","b":{"p":"/l","q":{"l":1,"vf":"r"}}}
        S> {"r":5,"b":{"s":"ok","d":{"b":{"x":2}}}}
    "#;
    let mut client = Realtime::connect(server.address(), "foo");
    client.play(script);
    client.play(
        r#"
        C> {"r":6,"a":"q","b":{"p":"/l","q":{"l":1,"vf":"l","i":"x"},"t":1,"h":""}}
        S> {"b":{"p":"l","d":{"a":{"x":1}},"t":1},"a":"d"}
        S> {"r":6,"b":{"s":"ok","d":{}}}
        "#,
    );
}

#[test]
fn declared_index_serves_reads_and_a_missing_one_warns_listens() {
    let server = server_with(r#"{"l":{"a":{"x":2},"b":{"x":1}}}"#);
    let rules = r#"{"rules":{".read":"now > 0",".write":true,"l":{".indexOn":"x"}}}"#;
    assert_eq!(server.put("/.settings/rules.json?ns=foo", rules).status, 200);
    Realtime::connect(server.address(), "foo").play(
        r#"
        C> {"r":1,"a":"g","b":{"p":"/l","q":{"l":1,"vf":"l","i":"x"}}}
        S> {"r":1,"b":{"s":"ok","d":{"b":{"x":1}}}}
        C> {"r":2,"a":"q","b":{"p":"/l","q":{"l":1,"vf":"l","i":"x"},"t":1,"h":""}}
        S> {"b":{"p":"l","d":{"b":{"x":1}},"t":1},"a":"d"}
        S> {"r":2,"b":{"s":"ok","d":{}}}
        C> {"r":3,"a":"q","b":{"p":"/l","q":{"l":1,"vf":"l","i":"y"},"t":2,"h":""}}
        S> {"b":{"p":"l","d":{"a":{"x":2}},"t":2},"a":"d"}
        S> {"r":3,"b":{"s":"ok","d":{"w":["no_index"]}}}
        C> {"r":4,"a":"q","b":{"p":"/l","q":{"l":1,"vf":"l","i":".value"},"t":3,"h":""}}
        S> {"b":{"p":"l","d":{"a":{"x":2}},"t":3},"a":"d"}
        S> {"r":4,"b":{"s":"ok","d":{"w":["no_index"]}}}
        C> {"r":5,"a":"q","b":{"p":"/l","q":{"l":1,"vf":"r"},"t":4,"h":""}}
        S> {"b":{"p":"l","d":{"b":{"x":1}},"t":4},"a":"d"}
        S> {"r":5,"b":{"s":"ok","d":{}}}
        C> {"r":6,"a":"q","b":{"p":"/l","q":{"i":"y"},"h":"x"}}
        S> {"b":{"p":"l","d":{"a":{"x":2},"b":{"x":1}}},"a":"d"}
        S> {"r":6,"b":{"s":"ok","d":{}}}
        "#,
    );
}

// ---- old SDKs (checklist 63) ---------------------------------------------------------------------------------------

#[test]
fn old_sdk_changes_its_set_of_queries_without_a_gap() {
    let server = server_with(r#"{"l":{"a":1,"b":2}}"#);
    let mut client = Realtime::connect(server.address(), "foo");
    client.play(
        r#"
        C> {"r":1,"a":"l","b":{"p":"/l","q":[{"l":1}]}}
        S> {"b":{"p":"l","d":{"a":1,"b":2}},"a":"d"}
        S> {"r":1,"b":{"s":"ok","d":{}}}
        C> {"r":2,"a":"l","b":{"p":"/l","q":[{"l":1},{"sp":null,"sn":"b","l":1,"vf":"l"}]}}
        S> {"b":{"p":"l","d":{"a":1,"b":2}},"a":"d"}
        S> {"r":2,"b":{"s":"ok","d":{}}}
        C> {"r":3,"a":"u","b":{"p":"/l","q":[{"l":1}]}}
        S> {"r":3,"b":{"s":"ok","d":""}}
        C> {"r":4,"a":"p","b":{"p":"/l/c","d":3}}
        S> {"b":{"p":"l/c","d":3},"a":"d"}
        S> {"r":4,"b":{"s":"ok","d":""}}
        C> {"r":5,"a":"u","b":{"p":"/l","q":[{"vf":"l","l":1,"sn":"b","sp":null},{"l":1}]}}
        S> {"r":5,"b":{"s":"ok","d":""}}
        C> {"r":6,"a":"p","b":{"p":"/l/c","d":4}}
        S> {"r":6,"b":{"s":"ok","d":""}}
        C> {"r":7,"a":"l","b":{"p":"/l/c","h":"eVih19a6ZDz3NL32uVBtg9KSgQY="}}
        S> {"r":7,"b":{"s":"ok","d":{}}}
        "#,
    );
}

// ---- bounds (checklist 65; issue: bad input) -----------------------------------------------------------------------

#[test]
fn listens_beyond_the_bound_are_refused_and_the_others_stay() {
    const MAX: u64 = 20_000;
    let server = Server::ephemeral();
    let mut client = Realtime::connect(server.address(), "foo");
    for n in 0..MAX {
        client.request(n, "q", &format!(r#"{{"p":"/l/{n}","h":""}}"#));
        if n % 500 == 499 {
            (n - 499..=n).for_each(|n| assert_eq!(client.expect_data()["r"], n));
        }
    }
    let (_, answer) = client.ask(MAX, "q", r#"{"p":"/more","h":""}"#);
    assert_eq!(answer, json!({ "s": "failure", "d": "A connection may have at most 20000 listens of moderate size" }));
    client.done(MAX + 1, "n", r#"{"p":"/l/7"}"#);
    client.done(MAX + 2, "q", r#"{"p":"/more","h":""}"#);
    let (pushes, _) = client.ask(MAX + 3, "p", r#"{"p":"/l/19999","d":1}"#);
    assert_eq!(pushes, [json!({ "a": "d", "b": { "p": "l/19999", "d": 1 } })]);
}

#[test]
fn client_that_stops_reading_is_dropped_and_others_are_not() {
    let server = Server::start(&["--ephemeral", "--outbox-bytes", "256KB"]);
    let mut slow = Realtime::connect(server.address(), "foo");
    let mut fast = Realtime::connect(server.address(), "foo");
    slow.done(1, "q", r#"{"p":"/l","h":""}"#);
    slow.done(2, "o", r#"{"p":"/slow","d":"gone"}"#);
    fast.done(1, "q", r#"{"p":"/slow","h":""}"#);
    let mut writer = Realtime::connect(server.address(), "foo");
    let text = "x".repeat(100_000);
    let mut n = 0;
    let gone = loop {
        n += 1;
        assert!(n < 1_000, "still there after {n} pushes of 100 KB");
        writer.done(n, "p", &format!(r#"{{"p":"/l","d":"{n}{text}"}}"#));
        if let Some(push) = pushed(&mut fast).first() {
            break push.clone();
        }
    };
    assert_eq!(gone, r#"d {"d":"gone","p":"slow"}"#);
    let heard = slow.until_closed();
    assert!(heard.len() < n as usize);
    // Once it is back it is right again.
    let (pushes, _) = Realtime::connect(server.address(), "foo").ask(1, "q", r#"{"p":"/l","h":"old"}"#);
    assert_eq!(pushes[0]["b"]["d"], format!("{n}{text}"));
}

#[test]
fn flood_of_requests_is_slowed_and_all_are_answered() {
    let server = Server::ephemeral();
    let mut client = Realtime::connect(server.address(), "foo");
    let count = 20_000_u64;
    // Beside the library, whose buffer would take it all: the socket itself, which the server stops reading from.
    let mut socket = std::net::TcpStream::connect(server.address()).unwrap();
    let handshake = "GET /.ws?v=5&ns=foo HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    socket.write_all(handshake.as_bytes()).unwrap();
    let reader = socket.try_clone().unwrap();
    let writing = std::thread::spawn(move || {
        for n in 0..count {
            let text = format!(r#"{{"t":"d","d":{{"r":{n},"a":"p","b":{{"p":"/f/{n}","d":1}}}}}}"#);
            let mut frame = vec![0x81, 0x80 | u8::try_from(text.len()).unwrap(), 0, 0, 0, 0];
            frame.extend_from_slice(text.as_bytes());
            socket.write_all(&frame).unwrap();
        }
        socket
    });
    let mut answers = std::io::BufReader::new(reader);
    let last = format!(r#"{{"r":{},"b":{{"s":"ok","d":""}}}}"#, count - 1);
    let mut heard = Vec::new();
    while !heard.ends_with(format!("{last}}}").as_bytes()) {
        let mut byte = [0];
        std::io::Read::read_exact(&mut answers, &mut byte).unwrap();
        heard.push(byte[0]);
    }
    drop(writing.join().unwrap());
    let (_, answer) = client.ask(1, "g", r#"{"p":"/f","q":{}}"#);
    assert_eq!(answer["d"].as_object().unwrap().len() as u64, count);
}
