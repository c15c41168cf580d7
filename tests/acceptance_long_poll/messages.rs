//! Starts, polls, pieces in, scripts out: checklist rows 16, 18, 20, 22.

use serde_json::{Value, json};

use crate::poller::{Call, Poller, calls, request};
use crate::support::{Answer, Server};

fn start(server: &Server, host: &str, query: &str) -> Answer {
    server.request("GET", &format!("/.lp?start=t&{query}"), &[("Host", host)], "")
}

#[test]
fn start_in_a_browser_makes_functions_and_says_hello() {
    let server = Server::ephemeral();
    let answer = start(&server, "chat.rtdb.localhost:9", "ser=41467376&cb=17&v=5&p=1:2:web:3");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/javascript; charset=utf-8"));
    assert_eq!(answer.header("cache-control"), Some("no-cache, no-store"));
    for refused in ["x-frame-options", "content-security-policy", "cross-origin-resource-policy"] {
        assert_eq!(answer.header(refused), None, "pages of any origin load it");
    }
    let functions = "function pLPCommand(c,a,b){var f=parent.window[\"pLPCommand17\"];f&&f(c,a,b);}\n\
                     function pRTLPCB(n,m){var f=parent.window[\"pRTLPCB17\"];f&&f(n,m);}\n";
    assert_eq!(answer.text().strip_prefix(functions).and_then(|rest| rest.find("pLPCommand('start','")), Some(0));
    let [Call::Start(id, password), Call::Response(0, messages)] = &calls(answer.text())[..] else {
        panic!("{}", answer.text())
    };
    assert!(id.len() >= 32 && password.len() >= 32 && id != password, "they could be guessed");
    let [hello] = &messages[..] else { panic!("{messages:?}") };
    let hello = &hello["d"];
    assert_eq!((&hello["t"], &hello["d"]["h"]), (&json!("h"), &json!("chat.rtdb.localhost:9")));
    assert!(hello["d"]["s"].as_str().unwrap().len() >= 32 && hello["d"]["ts"].is_u64());
}

#[test]
fn start_in_node_is_calls_alone() {
    let server = Server::ephemeral();
    let answer = start(&server, "127.0.0.1", "ser=1&v=5&ns=chat");
    assert!(answer.text().starts_with("pLPCommand('start','"), "{}", answer.text());
}

#[test]
fn callback_cannot_inject_script() {
    let server = Server::ephemeral();
    for callback in ["alert(1)", "1;alert(1)", "", "x", "12345678901", "1%22", "-1"] {
        let answer = start(&server, "127.0.0.1", &format!("cb={callback}&ns=chat"));
        assert_eq!(answer.status, 400, "{callback}");
        assert!(!answer.text().contains("alert"));
    }
    for query in ["dframe=t&id=a%27&pw=b", "dframe=t&id=a&pw=%3C/script%3E", "dframe=t", "", "seg0=1", "id=a"] {
        assert_eq!(server.get(&format!("/.lp?{query}")).status, 400, "{query}");
    }
    for (method, query) in [("POST", "start=t&cb=1"), ("PUT", "disconn=t&id=a&pw=b"), ("HEAD", "id=a&pw=b")] {
        assert_eq!(server.request(method, &format!("/.lp?{query}"), &[], "").status, 405, "{method} {query}");
    }
}

#[test]
fn refused_namespace_is_told_by_a_message() {
    let server = Server::ephemeral();
    let answer = start(&server, "127.0.0.1", "cb=1&ns=..");
    let [Call::Response(0, messages)] = &calls(answer.text())[..] else { panic!("{}", answer.text()) };
    assert_eq!(messages[0]["d"]["t"], "s");
    assert!(answer.text().starts_with("function pLPCommand("));
}

#[test]
fn requests_are_answered_in_order_with_numbered_responses() {
    let server = Server::ephemeral();
    let mut poller = Poller::start(&server, "chat");
    let (pushes, answer) = poller.ask("q", &json!({"p": "/a", "h": ""}));
    assert_eq!((pushes.len(), answer), (0, json!({"s": "ok", "d": {}})));
    let (pushes, answer) = poller.ask("p", &json!({"p": "/a/b", "d": 1}));
    assert_eq!(pushes, [json!({"b": {"p": "a/b", "d": 1}, "a": "d"})]);
    assert_eq!(answer, json!({"s": "ok", "d": ""}));
    let (_, answer) = poller.ask("g", &json!({"p": "/a", "q": {}}));
    assert_eq!(answer["d"], json!({"b": 1}));
    assert_eq!(server.get("/a.json?ns=chat").text(), r#"{"b":1}"#);
    // Two messages in one request.
    let both = [request(8, "p", &json!({"p": "/a/c", "d": "é"})), request(9, "p", &json!({"p": "/a/c", "d": "ü"}))];
    poller.send(&both);
    let heard: Vec<Value> = (0..4).map(|_| poller.hear()["d"].take()).collect();
    let push = |value: &str| json!({"b": {"p": "a/c", "d": value}, "a": "d"});
    let answer = |number: u64| json!({"r": number, "b": {"s": "ok", "d": ""}});
    assert_eq!(heard, [push("é"), answer(8), push("ü"), answer(9)]);
}

#[test]
fn pong_comes_on_the_same_transport() {
    let server = Server::ephemeral();
    let mut poller = Poller::start(&server, "chat");
    poller.send(&[r#"{"t":"c","d":{"t":"p","d":{}}}"#.to_owned()]);
    assert_eq!(poller.hear(), json!({"t": "c", "d": {"t": "o", "d": {}}}));
}

#[test]
fn newest_poll_is_held_and_older_ones_are_let_go() {
    let server = Server::ephemeral();
    let mut poller = Poller::start(&server, "chat");
    poller.done("q", &json!({"p": "/a", "h": ""}));
    let next = poller.next;
    poller.poll("");
    poller.poll("");
    assert_eq!(poller.take(), "", "a number would leave a gap, were it lost with its connection");
    server.put("/a.json?ns=chat", "1");
    assert_eq!(poller.take(), format!(r#"pRTLPCB({next},[{{"t":"d","d":{{"b":{{"p":"a","d":1}},"a":"d"}}}}]);"#));
    // What happens while no poll is there waits for the next.
    for value in 2..5 {
        server.put("/a.json?ns=chat", &value.to_string());
    }
    assert_eq!(poller.hear()["d"]["b"]["d"], 1);
    for value in 2..5 {
        assert_eq!(poller.hear()["d"]["b"]["d"], value);
    }
}

#[test]
fn poll_that_its_client_gave_up_loses_nothing() {
    let server = Server::ephemeral();
    let mut poller = Poller::start(&server, "chat");
    poller.done("q", &json!({"p": "/a", "h": ""}));
    for value in 0..5 {
        poller.hold();
        let given_up = poller.connect("");
        assert_eq!(poller.take(), "", "the one that is given up is held");
        drop(given_up);
        poller.hold();
        server.put("/a.json?ns=chat", &value.to_string());
        assert_eq!(poller.hear()["d"]["b"]["d"], value);
    }
}

#[test]
fn pieces_in_any_order_and_twice_make_the_message_once() {
    let server = Server::ephemeral();
    let mut poller = Poller::start(&server, "chat");
    let text = "Grüße \u{1f600}\u{2028}".repeat(2_000);
    let messages = [
        request(1, "p", &json!({"p": "/a", "d": {"long": text}})),
        request(2, "p", &json!({"p": "/n", "d": {".sv": {"increment": 1}}})),
    ];
    let mut requests = poller.pieces(&messages);
    assert!(requests.len() > 20);
    requests.reverse();
    let middle = requests[10].clone();
    requests.insert(3, middle);
    requests.push(requests[0].clone());
    poller.send_requests(&requests);
    let answered: Vec<Value> = (0..2).map(|_| poller.hear()["d"]["r"].take()).collect();
    assert_eq!(answered, [json!(1), json!(2)]);
    assert_eq!(server.get("/n.json?ns=chat").text(), "1");
    assert_eq!(server.get("/a/long.json?ns=chat").json(), json!(text));
}

#[test]
fn large_data_arrives_whole() {
    let server = Server::ephemeral();
    let rows: serde_json::Map<String, Value> =
        (0..30_000).map(|row| (format!("row{row:05}"), json!(format!("\u{1f600} {row} </script>")))).collect();
    assert_eq!(server.put("/rows.json?ns=chat", &Value::Object(rows.clone()).to_string()).status, 200);
    let mut poller = Poller::start(&server, "chat");
    let (pushes, answer) = poller.ask("q", &json!({"p": "/rows", "h": ""}));
    assert_eq!((pushes.len(), &answer["s"]), (1, &json!("ok")));
    assert!(pushes[0]["b"]["d"] == Value::Object(rows), "the data differs");
    poller.done("p", &json!({"p": "/rows/row00000", "d": 1}));
}

#[test]
fn answers_are_scripts_whatever_the_data() {
    let server = Server::ephemeral();
    let data = "{\"__proto__\":{\"a\":\"</script>\"},\"x\u{2028}\":\"\u{2029}\\\"__proto__\\\":\"}";
    assert_eq!(server.put("/odd.json?ns=chat", data).status, 200);
    let mut poller = Poller::start(&server, "chat");
    let [parameters] = &poller.pieces(&[request(1, "g", &json!({"p": "/odd", "q": {}}))])[..] else { panic!("one") };
    let answer = server.get(&poller.target(parameters));
    assert_eq!(
        answer.text(),
        "pRTLPCB(1,[{\"t\":\"d\",\"d\":{\"r\":1,\"b\":{\"s\":\"ok\",\"d\":\
         {[\"__proto__\"]:{\"a\":\"<\\/script>\"},\"x\\u2028\":\"\\u2029\\\"__proto__\\\":\"}}}}]);"
    );
}
