//! The engine as a whole, on real files: what listeners are told, live and resumed, against what the tree holds.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::base::Clock;
use crate::model::{Bound, BoundKey, Format, Identity, Index, Key, Limit, Node, Path, Query, Scalar, Write, WriteOp};
use crate::transport::{Drained, Item, Outbox};

/// Writes each event as a line that a test can read and compare.
pub(super) struct Lines(pub Format);

impl Encoder for Lines {
    fn id(&self) -> &'static str {
        if self.0 == Format::Export { "export" } else { "plain" }
    }

    fn format(&self) -> Format {
        self.0
    }

    fn encode(&self, event: &Event<'_>, position: Option<&Position<'_>>, out: &mut Vec<u8>) {
        let at = position.map_or("-".to_owned(), |position| {
            let part = if position.is_last { String::new() } else { format!("-{}", position.part) };
            format!("{}-{}{part}", position.epoch, position.seq)
        });
        let line = match event {
            Event::Put { path, node } => format!("{at}\tput\t{path}\t{}\n", node.to_json(self.0)),
            Event::Patch { path, changes } => {
                let parts: Vec<String> =
                    changes.iter().map(|(at, node)| format!("{at}\t{}", node.to_json(self.0))).collect();
                format!("{at}\tpatch\t{path}\t{}\n", parts.join("\t"))
            }
            Event::Child { event_type, key, node, prev_key } => {
                let key = key.map_or("-", |key| key.as_str());
                let prev_key = prev_key.map_or("-", |key| key.as_str());
                format!("{at}\t{}\t{key}\t{prev_key}\t{}\n", event_type.name(), node.to_json(Format::Export))
            }
            Event::Ranges { ranges } => {
                let parts: Vec<String> = ranges
                    .iter()
                    .map(|range| {
                        let at = |end: &Option<String>| end.clone().unwrap_or_else(|| "*".to_owned());
                        format!("{}..{}\t{}", at(&range.start), at(&range.end), range.data.to_json(Format::Export))
                    })
                    .collect();
                format!("{at}\tranges\t{}\n", parts.join("\t"))
            }
            Event::Reset => "reset\n".to_owned(),
            Event::Cancel { reason } => format!("cancel\t{reason}\n"),
        };
        out.extend_from_slice(line.as_bytes());
    }

    fn snapshot_frame(&self) -> (Vec<u8>, Vec<u8>) {
        (b"-\tput\t/\t".to_vec(), b"\n".to_vec())
    }
}

pub(super) fn path(text: &str) -> Path {
    Path::parse(text).unwrap()
}

pub(super) fn node(text: &str) -> Node {
    match crate::model::Draft::parse(text.as_bytes(), 0).unwrap().value {
        crate::model::Value::Node(node) => node,
        crate::model::Value::Priority(_) => Node::Empty,
    }
}

pub(super) fn engine(directory: &tempfile::TempDir, grace: Duration) -> Arc<Engine> {
    Engine::new(EngineConfig {
        data: directory.path().to_owned(),
        store: StoreOptions { durability: Durability::Off, ..StoreOptions::default() },
        presence_grace: grace,
        clock: Clock::manual(1_700_000_000_000),
        keyring: Keyring::emulator(),
        powers: Powers::Emulator,
    })
}

pub(super) async fn set(database: &Database, at: &str, value: &str) {
    write(database, Write::set(path(at), node(value))).await;
}

async fn write(database: &Database, write: Write) -> Written {
    database
        .write(WriteRequest { who: Identity::Nobody, write, if_match: None, rows_max: None, want_etag: false })
        .await
        .unwrap()
}

fn all_types() -> EventTypes {
    [EventType::ChildAdded, EventType::ChildRemoved, EventType::ChildChanged, EventType::ChildMoved, EventType::Value]
        .into_iter()
        .fold(EventTypes::default(), EventTypes::with)
}

struct Ear {
    outbox: Arc<Outbox>,
    listener: Option<Listener>,
}

impl Ear {
    async fn new(database: &Arc<Database>, at: &str, query: Query, shape: Shape, resume: Option<&str>) -> Self {
        let outbox = Outbox::new(1 << 20);
        let request = ListenRequest {
            who: Identity::Nobody,
            path: path(at),
            query,
            shape,
            encoder: Arc::new(Lines(Format::Export)),
            outbox: Arc::clone(&outbox),
            is_alone: false,
            resume: resume.map(|text| Resume::parse(text).unwrap()),
        };
        let listener = database.listen(request).await.unwrap();
        Self { outbox, listener: Some(listener) }
    }

    /// Everything told so far. Replies go out before events, so the writer is asked once more first.
    async fn lines(&mut self, database: &Arc<Database>) -> Vec<String> {
        barrier(database).await;
        drain(&self.outbox).await
    }
}

/// The lines that wait in an outbox.
pub(super) async fn drain(outbox: &Outbox) -> Vec<String> {
    let mut text = Vec::new();
    let mut items = VecDeque::new();
    while let Poll::Ready(Drained::Items) = outbox.poll_drain(&mut Context::from_waker(Waker::noop()), &mut items) {
        for item in items.drain(..) {
            match item {
                Item::Bytes(bytes) => text.extend_from_slice(&bytes),
                Item::Chunks(mut chunks) => {
                    while let Some(bytes) = chunks.recv().await {
                        text.extend_from_slice(&bytes);
                    }
                }
            }
        }
    }
    String::from_utf8(text).unwrap().lines().map(str::to_owned).collect()
}

async fn barrier(database: &Arc<Database>) {
    let outbox = Outbox::new(1 << 20);
    let encoder = Arc::new(Lines(Format::Plain));
    let request = ListenRequest {
        who: Identity::Nobody,
        path: path("/nowhere"),
        query: Query::default(),
        shape: Shape::Value,
        encoder,
        outbox,
        is_alone: false,
        resume: None,
    };
    database.listen(request).await.unwrap();
}

/// A client that keeps what a value listener tells it.
#[derive(Default)]
struct Mirror(Node);

impl Mirror {
    fn apply(&mut self, line: &str) {
        let fields: Vec<&str> = line.split('\t').collect();
        let base = path(fields[2]);
        match fields[1] {
            "put" => self.0.set(base.keys(), node(fields[3])),
            "patch" => {
                for pair in fields[3..].chunks(2) {
                    self.0.set(base.join(&path(pair[0])).keys(), node(pair[1]));
                }
            }
            other => panic!("{other}"),
        }
    }
}

/// A client that keeps what a child listener tells it: children in order.
#[derive(Default)]
struct Children(Vec<(String, String)>);

impl Children {
    fn apply(&mut self, line: &str) {
        let fields: Vec<&str> = line.split('\t').collect();
        let [_, event, key, prev_key, value] = fields[..] else { panic!("{line}") };
        if event == "value" {
            return;
        }
        let at = self.0.iter().position(|(known, _)| known == key);
        match (event, at) {
            ("child_added", None) => {}
            ("child_removed" | "child_moved" | "child_changed", Some(at)) => {
                self.0.remove(at);
            }
            _ => panic!("{line} does not fit {:?}", self.0),
        }
        if event == "child_removed" {
            return;
        }
        let at = match prev_key {
            "-" => 0,
            _ => 1 + self.0.iter().position(|(known, _)| known == prev_key).unwrap_or_else(|| panic!("{line}")),
        };
        self.0.insert(at, (key.to_owned(), value.to_owned()));
    }
}

fn expected_children(database: &Database, at: &str, query: &Query) -> Vec<(String, String)> {
    let whole = database.snapshot().unwrap().tree().node(&path(at)).unwrap();
    let mut places: Vec<_> = whole.children().map(|(key, child)| query.place(key, child)).collect();
    places.retain(|place| query.contains(place));
    places.sort();
    let count = places.len();
    let kept = match query.limit {
        Some(Limit::First(limit)) => places.into_iter().take(limit as usize).collect::<Vec<_>>(),
        Some(Limit::Last(limit)) => places.into_iter().skip(count.saturating_sub(limit as usize)).collect(),
        None => places,
    };
    let text = |key: &Key| whole.child(key).unwrap().to_json(Format::Export);
    kept.iter().map(|place| (place.key.to_string(), text(&place.key))).collect()
}

fn queries() -> Vec<Query> {
    let by_x = Index::Child(path("/x"));
    let text = |key: &str| Some(BoundKey::Text(key.to_owned()));
    let null = crate::model::order::IndexValue::Null;
    let number = |n: i64| crate::model::order::IndexValue::Scalar(Scalar::Int(n));
    vec![
        Query::default(),
        Query { index: Index::Key, ..Query::default() },
        Query { limit: Some(Limit::First(2)), ..Query::default() },
        Query { limit: Some(Limit::Last(2)), index: by_x.clone(), ..Query::default() },
        Query { index: Index::Value, ..Query::default() },
        Query {
            index: Index::Key,
            start: Some(Bound { value: null.clone(), key: text("b"), inclusive: true }),
            limit: Some(Limit::First(2)),
            ..Query::default()
        },
        Query {
            index: Index::Key,
            end: Some(Bound { value: null, key: text("d"), inclusive: false }),
            limit: Some(Limit::Last(2)),
            ..Query::default()
        },
        Query {
            index: by_x,
            start: Some(Bound { value: number(1), key: None, inclusive: true }),
            end: Some(Bound { value: number(2), key: None, inclusive: true }),
            limit: Some(Limit::First(3)),
        },
    ]
}

fn operation() -> impl Strategy<Value = Write> {
    let child = prop::sample::select(vec!["a", "b", "c", "d", "e", "1", "10"]);
    let value = prop::sample::select(vec![
        "null",
        "1",
        "2",
        "\"s\"",
        "{\"x\":1}",
        "{\"x\":2,\"y\":true}",
        "{\"x\":3,\".priority\":5}",
        "{\".value\":7,\".priority\":\"p\"}",
        "{\"y\":{\"z\":1}}",
    ]);
    let set =
        (child.clone(), value.clone()).prop_map(|(child, value)| Write::set(path(&format!("/r/{child}")), node(value)));
    let deep = (child.clone(), value.clone())
        .prop_map(|(child, value)| Write::set(path(&format!("/r/{child}/x")), node(value)));
    let many = (child.clone(), child.clone(), value.clone(), value.clone()).prop_map(|(a, b, first, second)| {
        let mut places = vec![(path(a), node(first).into())];
        if a != b {
            places.push((path(&format!("{b}/x")), node(second).into()));
        }
        Write { path: path("/r"), op: WriteOp::Update(places) }
    });
    let all = (child.clone(), value.clone(), child.clone(), value).prop_map(|(a, first, b, second)| {
        let mut whole = Node::Empty;
        whole.set(path(a).keys(), node(first));
        whole.set(path(b).keys(), node(second));
        Write::set(path("/r"), whole)
    });
    let own = prop::sample::select(vec!["5", "null", "{\".value\":6,\".priority\":1}"])
        .prop_map(|value| Write::set(path("/r"), node(value)));
    let own_priority = prop::sample::select(vec![None, Some(3)]).prop_map(|priority| {
        let value = crate::model::Value::Priority(priority.map(Scalar::Int));
        Write { path: path("/r"), op: WriteOp::Set(crate::model::Draft { value, placeholders: Vec::new() }) }
    });
    let priority = (child, prop::sample::select(vec![None, Some(1), Some(9)])).prop_map(|(child, priority)| {
        let value = crate::model::Value::Priority(priority.map(Scalar::Int));
        let draft = crate::model::Draft { value, placeholders: Vec::new() };
        Write { path: path(&format!("/r/{child}")), op: WriteOp::Set(draft) }
    });
    prop_oneof![5 => set, 3 => deep, 3 => many, 1 => all, 2 => priority, 1 => own, 1 => own_priority]
}

fn names_priority(write: &Write) -> bool {
    let text = format!("{write:?}");
    text.contains("priority: Some") || text.contains("Priority(Some")
}

pub(super) fn run<F: Future<Output = ()>>(test: F) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is written: a client that applies what it is told holds what the tree holds, in the right order; and
    /// one that resumes anywhere is told exactly the rest.
    #[test]
    fn listeners_agree_with_the_tree_and_resume_exactly(
        operations in prop::collection::vec(operation(), 1..25),
        listen_after in 0_usize..5,
        with_priorities in any::<bool>(),
        with_indexes in any::<bool>(),
    ) {
        let operations: Vec<Write> =
            operations.into_iter().filter(|write| with_priorities || !names_priority(write)).collect();
        run(async {
            let directory = tempfile::tempdir().unwrap();
            let engine = engine(&directory, Duration::ZERO);
            let database = engine.database("test").await.unwrap();
            if with_indexes {
                let rules = r#"{"rules":{".read":true,".write":true,"r":{".indexOn":["x",".value"]}}}"#;
                database.set_rules(Arc::new(crate::rules::Rules::parse(rules).unwrap())).await.unwrap();
                // Nobody is told when an index is ready; in an empty database that is at once.
                let serves = |index| database.snapshot().unwrap().tree().is_ordered(&path("/r"), &index).unwrap();
                while !serves(Index::Value) || !serves(Index::Child(path("/x"))) {
                    tokio::task::yield_now().await;
                }
            }
            let (before, after) = operations.split_at(listen_after.min(operations.len()));
            for operation in before {
                write(&database, operation.clone()).await;
            }
            let shape = Shape::Children(all_types());
            let mut ears = Vec::new();
            for query in queries() {
                let children = Ear::new(&database, "/r", query.clone(), shape, None).await;
                let value = Ear::new(&database, "/r", query.clone(), Shape::Value, None).await;
                let only = Shape::Children(EventTypes::default().with(EventType::ChildAdded));
                let added = Ear::new(&database, "/r", query.clone(), only, None).await;
                ears.push((query, children, value, added));
            }
            for operation in after {
                write(&database, operation.clone()).await;
            }
            for (query, children, value, added) in &mut ears {
                let told = children.lines(&database).await;
                let without_position = |line: &String| line.split_once('\t').unwrap().1.to_owned();
                let expected: Vec<String> =
                    told.iter().map(without_position).filter(|line| line.starts_with("child_added")).collect();
                let only: Vec<String> = added.lines(&database).await.iter().map(without_position).collect();
                assert_eq!(only, expected, "{query:?}");
                let mut client = Children::default();
                for line in &told {
                    client.apply(line);
                }
                assert_eq!(client.0, expected_children(&database, "/r", query), "{query:?}\n{}", told.join("\n"));

                let mut mirror = Mirror::default();
                for line in value.lines(&database).await {
                    mirror.apply(&line);
                }
                let expected = database.window(&database.snapshot().unwrap(), &path("/r"), query).unwrap();
                assert_eq!(mirror.0.to_json(Format::Export), expected.to_json(Format::Export), "{query:?}");

                for (index, line) in told.iter().enumerate() {
                    let position = line.split('\t').next().unwrap();
                    if position == "-" {
                        continue;
                    }
                    let mut resumed = Ear::new(&database, "/r", query.clone(), shape, Some(position)).await;
                    let rest = resumed.lines(&database).await;
                    assert_eq!(rest, told[index + 1..], "{query:?} resumed at {position}");
                }
            }
            engine.shutdown().await;
        });
    }
}

#[test]
fn value_listeners_above_and_below_a_write_see_their_part() {
    run(async {
        let directory = tempfile::tempdir().unwrap();
        let database = engine(&directory, Duration::ZERO).database("test").await.unwrap();
        set(&database, "/a/b/c", "1").await;
        let mut above = Ear::new(&database, "/", Query::default(), Shape::Value, None).await;
        let mut below = Ear::new(&database, "/a/b/c", Query::default(), Shape::Value, None).await;
        let mut beside = Ear::new(&database, "/z", Query::default(), Shape::Value, None).await;
        set(&database, "/a/b", "{\"c\":2}").await;
        // The same again changes nothing, and nothing is told.
        set(&database, "/a/b", "{\"c\":2}").await;
        set(&database, "/a/b/d", "3").await;
        set(&database, "/a", "null").await;
        let strip = |lines: Vec<String>| -> Vec<String> {
            lines.iter().map(|line| line.split_once('\t').unwrap().1.to_owned()).collect()
        };
        let seen = strip(above.lines(&database).await);
        assert_eq!(
            seen,
            ["put\t/\t{\"a\":{\"b\":{\"c\":1}}}", "put\t/a/b\t{\"c\":2}", "put\t/a/b/d\t3", "put\t/a\tnull"]
        );
        assert_eq!(strip(below.lines(&database).await), ["put\t/\t1", "put\t/\t2", "put\t/\tnull"]);
        assert_eq!(strip(beside.lines(&database).await), ["put\t/\tnull"]);
    });
}

#[test]
fn resume_across_an_epoch_or_a_trimmed_log_is_a_reset() {
    run(async {
        let directory = tempfile::tempdir().unwrap();
        let database = engine(&directory, Duration::ZERO).database("test").await.unwrap();
        set(&database, "/r/a", "1").await;
        let shape = Shape::Children(all_types());
        for position in ["otherepoch-1", &format!("{}-99", database.epoch())] {
            let mut ear = Ear::new(&database, "/r", Query::default(), shape, Some(position)).await;
            let lines = ear.lines(&database).await;
            assert_eq!(lines.first().map(String::as_str), Some("reset"), "{position}");
            assert!(lines[1].contains("child_added\ta"), "{lines:?}");
        }
    });
}

#[test]
fn resume_over_more_than_its_bound_is_a_reset_and_one_within_it_is_exact() {
    run(async {
        let directory = tempfile::tempdir().unwrap();
        let database = engine(&directory, Duration::ZERO).database("test").await.unwrap();
        let shape = Shape::Children(all_types());
        let large = format!("\"{}\"", "v".repeat(60_000));
        for n in 0..100 {
            set(&database, "/r/a", &large).await;
            set(&database, "/r/b", &n.to_string()).await;
        }
        let resumed = async |seq: u64| {
            let position = format!("{}-{seq}", database.epoch());
            let mut ear = Ear::new(&database, "/r", Query::default(), shape, Some(&position)).await;
            ear.lines(&database).await
        };
        assert_eq!(resumed(1).await[0], "reset");
        // Both read the same records; the second one's lie within the first one's.
        assert_eq!(resumed(180).await.len(), 2 * 10);
        assert_eq!(resumed(198).await.len(), 2);
    });
}

#[test]
fn dropped_listener_is_told_nothing_more() {
    run(async {
        let directory = tempfile::tempdir().unwrap();
        let database = engine(&directory, Duration::ZERO).database("test").await.unwrap();
        let mut ear = Ear::new(&database, "/a", Query::default(), Shape::Value, None).await;
        assert_eq!(ear.lines(&database).await.len(), 1);
        ear.listener = None;
        set(&database, "/a", "1").await;
        assert_eq!(ear.lines(&database).await, Vec::<String>::new());
    });
}

#[test]
fn large_first_snapshot_comes_in_pieces_and_joins_later_events() {
    run(async {
        let directory = tempfile::tempdir().unwrap();
        let database = engine(&directory, Duration::ZERO).database("test").await.unwrap();
        let children: Vec<String> = (0..3_000).map(|n| format!("\"k{n:05}\":\"{}\"", "v".repeat(100))).collect();
        set(&database, "/big", &format!("{{{}}}", children.join(","))).await;
        let mut value = Ear::new(&database, "/big", Query::default(), Shape::Value, None).await;
        let mut added = Ear::new(&database, "/big", Query::default(), Shape::Children(all_types()), None).await;
        set(&database, "/big/zlast", "1").await;
        let lines = value.lines(&database).await;
        assert_eq!(lines.len(), 2);
        let mut mirror = Mirror::default();
        for line in &lines {
            mirror.apply(line);
        }
        let whole = database.snapshot().unwrap().tree().node(&path("/big")).unwrap();
        assert_eq!(mirror.0, whole);
        let lines = added.lines(&database).await;
        // Each child once, the value at the end of the first events, then the new child and the value again.
        assert_eq!(lines.len(), 3_000 + 1 + 2);
    });
}

#[test]
fn session_that_ends_runs_what_it_armed_once_as_one_write() {
    run(async {
        let directory = tempfile::tempdir().unwrap();
        let engine = engine(&directory, Duration::ZERO);
        let database = engine.database("test").await.unwrap();
        let mut ear = Ear::new(&database, "/room", Query::default(), Shape::Value, None).await;
        set(&database, "/room", "{\"a\":1,\"b\":2}").await;
        let session = database.open_session();
        let draft = |text: &str| crate::model::Draft::parse(text.as_bytes(), 0).unwrap();
        let arm = |at: &str, text: &str| Arm::Set(vec![(path(at), draft(text))]);
        session.arm(Identity::Nobody, arm("/room/a", "null")).await.unwrap().await.unwrap().unwrap();
        session
            .arm(Identity::Nobody, arm("/room/left", "{\".sv\":\"timestamp\"}"))
            .await
            .unwrap()
            .await
            .unwrap()
            .unwrap();
        session.end().await;
        session.end().await;
        let lines = ear.lines(&database).await;
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert!(lines[2].ends_with("patch\t/\t/a\tnull\t/left\t1700000000000"), "{lines:?}");
        assert!(database.session(session.id()).is_none());
        assert_eq!(session.arm(Identity::Nobody, arm("/room/late", "1")).await.unwrap_err(), SessionError::Over);
    });
}

#[test]
fn armed_writes_of_a_session_that_died_with_its_process_run_at_the_next_start() {
    run(async {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("test.sqlite");
        {
            // A process that was killed: what it armed is on disk, nothing ended it.
            let (mut store, _) = crate::store::open(&file, &StoreOptions::default()).unwrap();
            let mut batch = store.begin().unwrap();
            batch.arm("dead", &path("/n"), "{\".sv\":{\"increment\":1}}", "null").unwrap();
            batch.commit().unwrap();
        }
        for _ in 0..2 {
            let engine = engine(&directory, Duration::ZERO);
            let database = engine.database("test").await.unwrap();
            let value = database.snapshot().unwrap().tree().value(&path("/n")).unwrap();
            assert_eq!(value, Some(Scalar::Int(1)));
            engine.shutdown().await;
        }
    });
}

#[test]
fn session_resumes_within_the_grace_with_what_it_missed() {
    run(async {
        let directory = tempfile::tempdir().unwrap();
        let database = engine(&directory, Duration::from_hours(1)).database("test").await.unwrap();
        let session = database.open_session();
        let first = Outbox::new(1 << 20);
        let attachment = session.attach(&first).unwrap();
        let request = ListenRequest {
            who: Identity::Nobody,
            path: path("/a"),
            query: Query::default(),
            shape: Shape::Value,
            encoder: Arc::new(Lines(Format::Export)),
            outbox: Outbox::new(1),
            is_alone: false,
            resume: None,
        };
        session.listen("/a".into(), request).await.unwrap();
        set(&database, "/a", "1").await;
        let mut ear = Ear { outbox: first, listener: None };
        let lines = ear.lines(&database).await;
        let position = lines.last().unwrap().split('\t').next().unwrap().to_owned();
        drop(attachment);
        set(&database, "/a", "2").await;
        set(&database, "/a", "3").await;
        assert_eq!(ear.lines(&database).await, Vec::<String>::new());
        let second = Outbox::new(1 << 20);
        let _attachment = session.attach(&second).unwrap();
        session.listen_again(&Resume::parse(&position).unwrap()).await.unwrap();
        set(&database, "/a", "4").await;
        let mut ear = Ear { outbox: second, listener: None };
        let values: Vec<String> =
            ear.lines(&database).await.iter().map(|line| line.rsplit('\t').next().unwrap().to_owned()).collect();
        assert_eq!(values, ["2", "3", "4"]);
    });
}

#[test]
fn stale_condition_refuses_and_tells_what_is_there() {
    run(async {
        let directory = tempfile::tempdir().unwrap();
        let database = engine(&directory, Duration::ZERO).database("test").await.unwrap();
        set(&database, "/a", "1").await;
        let request = |if_match: &str| WriteRequest {
            who: Identity::Nobody,
            write: Write::set(path("/a"), node("2")),
            if_match: Some(Condition::Etag(if_match.to_owned())),
            rows_max: None,
            want_etag: true,
        };
        let Err(WriteError::Stale(Some(current))) = database.write(request("null_etag")).await else {
            panic!("written over");
        };
        let Current { node: current, etag } = *current;
        assert_eq!(current.to_json(Format::Plain), "1");
        let written = database.write(request(&etag)).await.unwrap();
        let current = database.snapshot().unwrap().tree().hash(&path("/a")).unwrap();
        assert_eq!(written.etag, Some(current));
        let too_big = WriteRequest { if_match: None, rows_max: Some(1), ..request("") };
        assert_eq!(database.write(too_big).await, Err(WriteError::TooBig));
    });
}

#[test]
fn closed_database_is_one_whole_file() {
    run(async {
        let directory = tempfile::tempdir().unwrap();
        let engine = engine(&directory, Duration::ZERO);
        let database = engine.database("test").await.unwrap();
        set(&database, "/a", "1").await;
        assert_eq!(database.snapshot().unwrap().tree().value(&path("/a")).unwrap(), Some(Scalar::Int(1)));
        engine.shutdown().await;
        let files = std::fs::read_dir(directory.path()).unwrap();
        let mut names: Vec<String> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| name != "test.sqlite.lock");
        assert_eq!(names, ["test.sqlite"]);
    });
}
