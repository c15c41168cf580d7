//! Links on real files: what comes on their outbox, and in which order.

use std::time::Duration;

use tokio::sync::oneshot;

use super::super::tests::{Lines, drain, engine, node, path, run, set};
use super::super::{Condition, Encoder, Event, Known, Packer, Position};
use super::*;
use crate::model::{Bound, Draft, Format, Identity, Index, Limit, Node, Query, Write, WriteOp, hash};

/// Lines with a name in front, as pushes have a tag.
struct Tagged(String);

impl Encoder for Tagged {
    fn id(&self) -> &str {
        &self.0
    }

    fn format(&self) -> Format {
        Format::Export
    }

    fn encode(&self, event: &Event<'_>, _: Option<&Position<'_>>, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0.as_bytes());
        Lines(Format::Export).encode(event, None, out);
    }

    fn snapshot_frame(&self) -> (Vec<u8>, Vec<u8>) {
        (format!("{}-\tput\t/\t", self.0).into_bytes(), b"\n".to_vec())
    }

    fn packer(&self) -> Option<Box<dyn Packer>> {
        Some(Box::new(Counted::default()))
    }
}

/// Writes the length of the text in front of it: wrong, should the two passes differ.
#[derive(Default)]
struct Counted {
    len: usize,
    packed: usize,
}

impl Packer for Counted {
    fn measure(&mut self, text: &[u8]) {
        self.len += text.len();
    }

    fn pack(&mut self, text: &[u8], out: &mut Vec<u8>) {
        if self.packed == 0 {
            out.extend_from_slice(format!("{} ", self.len).as_bytes());
        }
        self.packed += text.len();
        out.extend_from_slice(text);
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        assert_eq!(self.packed, self.len);
        out.extend_from_slice(b"end\n");
    }
}

struct Client {
    link: Link,
    outbox: Arc<Outbox>,
}

impl Client {
    fn new(database: &Arc<Database>) -> Self {
        let outbox = Outbox::new(1 << 20);
        Self { link: database.open_link(Arc::clone(&outbox)), outbox }
    }

    async fn put(&self, at: &str, value: &str) {
        self.write(at, value, None).await;
    }

    async fn write(&self, at: &str, value: &str, if_match: Option<Condition>) {
        let request = WriteRequest {
            who: Identity::Nobody,
            write: Write::set(path(at), node(value)),
            if_match,
            rows_max: None,
            want_etag: false,
        };
        let name = format!("{at}={value}");
        self.link.write(request, said(&name)).await.unwrap();
    }

    async fn listen(&self, at: &str, query: Query, tag: &str, known: Option<&str>) -> u64 {
        let known = known.map(|hash| Known { hash: hash.to_owned(), compound: None });
        let encoder = Arc::new(Tagged(tag.to_owned()));
        let listen =
            LinkListen { who: Identity::Nobody, path: path(at), query, encoder, is_default: tag.is_empty(), known };
        self.link.listen(listen, said(&format!("listen {at}"))).await.unwrap()
    }

    async fn unlisten(&self, id: u64) {
        self.link.unlisten(id, Bytes::from_static(b"unlistened\n")).await.unwrap();
    }

    /// What came so far, which is all that was asked before.
    async fn lines(&self) -> Vec<String> {
        let (sender, receiver) = oneshot::channel();
        let database = Arc::clone(self.link.database());
        let make = Box::new(move |_| {
            let _ = sender.send(());
            Bytes::new()
        });
        database.send(Command::Notify { outbox: Outbox::new(1), make }).await.unwrap();
        receiver.await.unwrap();
        drain(&self.outbox).await
    }
}

/// Says `what` and how it went.
fn said<T: Send + 'static, E: std::fmt::Debug + Send + 'static>(what: &str) -> Answer<Result<T, E>> {
    let what = what.to_owned();
    Box::new(move |outcome| {
        let how = outcome.map_or_else(|error| format!("{error:?}"), |_| "ok".to_owned());
        Bytes::from(format!("{what} {how}\n"))
    })
}

fn first_by_key(limit: u32) -> Query {
    Query { index: Index::Key, limit: Some(Limit::First(limit)), ..Query::default() }
}

fn with_database<F: Future<Output = ()>>(test: impl FnOnce(Arc<Database>) -> F) {
    run(async {
        let directory = tempfile::tempdir().unwrap();
        let engine = engine(&directory, Duration::ZERO);
        test(engine.database("test").await.unwrap()).await;
        engine.shutdown().await;
    });
}

#[test]
fn event_of_a_write_comes_before_its_answer() {
    with_database(|database| async move {
        let (writer, other) = (Client::new(&database), Client::new(&database));
        writer.listen("/a", Query::default(), "", None).await;
        other.listen("/a/b", Query::default(), "", None).await;
        writer.put("/a/b", "1").await;
        writer.put("/a/b", "2").await;
        assert_eq!(
            writer.lines().await,
            ["-\tput\t/\tnull", "listen /a ok", "-\tput\t/b\t1", "/a/b=1 ok", "-\tput\t/b\t2", "/a/b=2 ok"]
        );
        assert_eq!(other.lines().await, ["-\tput\t/\tnull", "listen /a/b ok", "-\tput\t/\t1", "-\tput\t/\t2"]);
    });
}

#[test]
fn data_that_is_known_is_not_told_again() {
    with_database(|database| async move {
        set(&database, "/a", r#"{"x":1,"y":2}"#).await;
        let client = Client::new(&database);
        let hash = hash::hash_of(&node(r#"{"x":1,"y":2}"#));
        client.listen("/a", Query::default(), "", Some(&hash)).await;
        assert_eq!(client.lines().await, ["listen /a ok"]);
        // The hash of what a query selects, not of all.
        client.listen("/a", first_by_key(1), "t1 ", Some(&hash)).await;
        assert_eq!(client.lines().await, ["t1 -\tput\t/\t{\"x\":1}", "listen /a ok"]);
        client.listen("/a", first_by_key(1), "t2 ", Some(&hash::hash_of(&node(r#"{"x":1}"#)))).await;
        assert_eq!(client.lines().await, ["listen /a ok"]);
        client.listen("/nothing", Query::default(), "", Some("")).await;
        assert_eq!(client.lines().await, ["listen /nothing ok"]);
    });
}

#[test]
fn stale_hash_refuses_without_an_event() {
    with_database(|database| async move {
        set(&database, "/n", "9007199254740991").await;
        let client = Client::new(&database);
        client.write("/n", "1", Some(Condition::Hash(String::new()))).await;
        // As the JavaScript SDKs hash this number (realtime protocol 12.2).
        client.write("/n", "2", Some(Condition::Hash("m4qsp/5BbIWTdjthNlnOX+WCTB0=".to_owned()))).await;
        client.write("/new", "3", Some(Condition::Hash(String::new()))).await;
        assert_eq!(client.lines().await, ["/n=1 Stale(None)", "/n=2 ok", "/new=3 ok"]);
    });
}

#[test]
fn default_listener_below_another_is_silent_while_that_is_there() {
    with_database(|database| async move {
        let client = Client::new(&database);
        client.listen("/a/b", Query::default(), "", Some("")).await;
        client.listen("/a/c", first_by_key(5), "t1 ", Some("")).await;
        let upper = client.listen("/a", Query::default(), "", Some("")).await;
        let deeper = client.listen("/a/b/d", Query::default(), "", Some("")).await;
        client.lines().await;
        client.put("/a", r#"{"b":{"d":1},"c":{"k":2}}"#).await;
        assert_eq!(
            client.lines().await,
            [
                "t1 -\tput\t/\t{\"k\":2}",
                "-\tput\t/\t{\"b\":{\"d\":1},\"c\":{\"k\":2}}",
                "/a={\"b\":{\"d\":1},\"c\":{\"k\":2}} ok"
            ]
        );
        client.unlisten(upper).await;
        client.put("/a/b/d", "3").await;
        assert_eq!(client.lines().await, ["unlistened", "-\tput\t/d\t3", "/a/b/d=3 ok"]);
        client.unlisten(deeper).await;
        client.put("/a/b/d", "4").await;
        client.put("/a/x", "5").await;
        assert_eq!(client.lines().await, ["unlistened", "-\tput\t/d\t4", "/a/b/d=4 ok", "/a/x=5 ok"]);
    });
}

fn read(at: &str, query: Query, encoder: Arc<dyn Encoder>) -> LinkRead {
    LinkRead { who: Identity::Nobody, path: path(at), query, encoder }
}

#[test]
fn read_shows_the_writes_that_were_asked_before() {
    with_database(|database| async move {
        let client = Client::new(&database);
        client.put("/a", r#"{"x":1,"y":2,"z":3}"#).await;
        let refused: fn() -> Answer<ReadError> = || Box::new(|error| Bytes::from(format!("{error:?}\n")));
        let encoder = || Arc::new(Tagged("read ".to_owned()));
        client.link.read(read("/a/y", Query::default(), encoder()), refused()).await.unwrap();
        let bound = Bound { value: crate::model::order::IndexValue::Null, key: None, inclusive: true };
        let query = Query { end: Some(bound), ..first_by_key(2) };
        client.link.read(read("/a", query, encoder()), refused()).await.unwrap();
        client.put("/a/y", "4").await;
        let lines = client.lines().await;
        assert_eq!(lines[1..], ["read -\tput\t/\t2", "read -\tput\t/\t{\"x\":1,\"y\":2}", "/a/y=4 ok"]);
    });
}

#[test]
fn large_data_is_measured_and_comes_before_its_answer_and_what_follows() {
    with_database(|database| async move {
        let children: Vec<String> = (0..5_000).map(|n| format!("\"k{n:05}\":\"ü{n}\"")).collect();
        let all = format!("{{{}}}", children.join(","));
        set(&database, "/big", &all).await;
        let client = Client::new(&database);
        client.listen("/big", Query::default(), "", None).await;
        client.listen("/big", first_by_key(4_000), "t1 ", Some("other")).await;
        client.listen("/big", Query::default(), "t2 ", Some(&hash::hash_of(&node(&all)))).await;
        client.put("/big/k00000", "7").await;
        let lines = client.lines().await;
        let (whole, window) = (&lines[0], &lines[3]);
        let text = format!("-\tput\t/\t{all}");
        // The line end is part of what is measured.
        assert_eq!(*whole, format!("{} {text}", text.len() + 1));
        assert_eq!(lines[1], "end");
        assert_eq!(lines[2], "listen /big ok");
        let text = format!("t1 -\tput\t/\t{{{}}}", children[..4_000].join(","));
        assert_eq!(*window, format!("{} {text}", text.len() + 1));
        let events = ["-\tput\t/k00000\t7", "t1 -\tput\t/k00000\t7", "t2 -\tput\t/k00000\t7"];
        assert_eq!(lines[4..7], ["end", "listen /big ok", "listen /big ok"]);
        let mut told = lines[7..10].to_vec();
        told.sort();
        assert_eq!(told, events);
        assert_eq!(lines[10], "/big/k00000=7 ok");
    });
}

#[test]
fn end_runs_what_was_armed_once_and_tells_others_only() {
    with_database(|database| async move {
        let (leaving, other) = (Client::new(&database), Client::new(&database));
        leaving.listen("/p", Query::default(), "", Some("")).await;
        other.listen("/p", Query::default(), "", Some("")).await;
        let draft = |value: &str| Draft::from(node(value));
        let arm = Arm::Set(vec![(path("/p/a"), draft("1")), (path("/p/b/c"), draft("2"))]);
        leaving.link.arm(Identity::Nobody, arm, said("arm")).await.unwrap();
        leaving.link.arm(Identity::Nobody, Arm::Cancel(path("/p/b")), said("cancel")).await.unwrap();
        leaving.link.end().await;
        leaving.link.end().await;
        assert_eq!(leaving.lines().await, ["listen /p ok", "arm ok", "cancel ok"]);
        assert_eq!(other.lines().await, ["listen /p ok", "-\tput\t/a\t1"]);
        // Dropped without an end, it ends all the same.
        let dropped = Client::new(&database);
        dropped
            .link
            .arm(Identity::Nobody, Arm::Set(vec![(path("/p/a"), Node::Empty.into())]), said("arm"))
            .await
            .unwrap();
        drop(dropped);
        assert_eq!(other.lines().await, ["-\tput\t/a\tnull"]);
    });
}

#[test]
fn update_is_one_event_for_each_listener_and_queries_hear_first() {
    with_database(|database| async move {
        let client = Client::new(&database);
        client.listen("/", Query::default(), "", Some("")).await;
        client.listen("/l", first_by_key(2), "t1 ", None).await;
        client.lines().await;
        let places = vec![
            (path("/l/a"), Draft::from(node("1"))),
            (path("/l/b"), node("2").into()),
            (path("/x"), node("3").into()),
        ];
        let write = Write { path: path("/"), op: WriteOp::Update(places) };
        let request = WriteRequest { who: Identity::Nobody, write, if_match: None, rows_max: None, want_etag: false };
        client.link.write(request, said("update")).await.unwrap();
        let lines = client.lines().await;
        assert_eq!(lines, ["t1 -\tpatch\t/\t/a\t1\t/b\t2", "-\tpatch\t/\t/l/a\t1\t/l/b\t2\t/x\t3", "update ok"]);
    });
}
