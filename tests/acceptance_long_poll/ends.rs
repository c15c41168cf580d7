//! Leaving, expiry, and what cannot be: checklist rows 19, 20.

use serde_json::json;

use crate::poller::Poller;
use crate::support::Server;

/// A client that has armed a write of "gone" at `/state`.
fn armed(server: &Server) -> Poller {
    let mut poller = Poller::start(server, "chat");
    poller.done("o", &json!({"p": "/state", "d": "gone"}));
    poller
}

fn state(server: &Server) -> String {
    server.get("/state.json?ns=chat").text().to_owned()
}

#[test]
fn leaving_runs_on_disconnect_and_closes_the_polls() {
    let server = Server::ephemeral();
    for method in ["GET", "POST"] {
        server.put("/state.json?ns=chat", "\"here\"");
        let mut poller = armed(&server);
        poller.hold();
        assert_eq!(state(&server), "\"here\"");
        assert_eq!(poller.leave(method), 200);
        assert_eq!(state(&server), "\"gone\"", "{method}");
        assert_eq!([poller.take(), poller.take()], ["pLPCommand('close');"; 2]);
        assert_eq!(poller.leave(method), 200, "leaving twice is harmless");
    }
}

#[test]
fn what_was_sent_before_leaving_is_done() {
    let server = Server::ephemeral();
    let mut poller = armed(&server);
    for row in 0..50 {
        poller.request("p", &json!({"p": format!("/rows/{row}"), "d": row}));
    }
    poller.hold();
    poller.leave("POST");
    assert_eq!(server.get("/rows.json?ns=chat&shallow=true").json().as_object().unwrap().len(), 50);
}

/// A page can go before the frame that says goodbye is there, and a killed one says nothing.
#[test]
fn poll_that_is_given_up_ends_the_session_behind_what_was_sent() {
    let server = Server::ephemeral();
    let mut poller = armed(&server);
    let mut events = server.events("/state.json?ns=chat");
    assert_eq!(events.next().json()["data"], json!(null));
    for row in 0..50 {
        poller.request("p", &json!({"p": format!("/rows/{row}"), "d": row}));
    }
    poller.hold();
    drop(poller.connect(""));
    assert_eq!(events.next().json()["data"], "gone");
    assert_eq!(server.get("/rows.json?ns=chat&shallow=true").json().as_object().unwrap().len(), 50);
    poller.until_closed();
    assert_eq!(poller.closed, Some(0));
}

#[test]
fn frame_tells_by_a_beacon_that_the_page_goes_away() {
    let server = Server::ephemeral();
    let poller = Poller::start(&server, "chat");
    let answer = server.get(&poller.target("&dframe=t"));
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(answer.text().contains(&format!("'/.lp?disconn=t&id={}&pw={}'", poller.id, poller.password)));
    for refused in ["x-frame-options", "content-security-policy", "cross-origin-resource-policy"] {
        assert_eq!(answer.header(refused), None, "{refused}");
    }
}

#[test]
fn client_that_polls_no_more_expires() {
    let server = Server::start(&["--ephemeral", "--poll-silence-max", "300ms"]);
    server.put("/state.json?ns=chat", "\"here\"");
    let mut watch = server.events("/state.json?ns=chat");
    assert_eq!(watch.next().json()["data"], "here");
    let mut poller = armed(&server);
    assert_eq!(watch.next().json()["data"], "gone");
    assert_eq!(poller.until_closed(), [] as [serde_json::Value; 0]);
    assert_eq!(poller.closed, Some(0));
}

#[test]
fn client_whose_poll_is_held_does_not_expire() {
    let server = Server::start(&["--ephemeral", "--poll-silence-max", "100ms"]);
    let mut poller = Poller::start(&server, "chat");
    poller.request("q", &json!({"p": "/a", "h": ""}));
    poller.hear();
    poller.hold();
    // Another client comes, stays away and expires meanwhile.
    let mut watch = server.events("/state.json?ns=chat");
    watch.next();
    armed(&server);
    assert_eq!(watch.next().json()["data"], "gone");
    server.put("/a.json?ns=chat", "1");
    assert_eq!(poller.hear()["d"]["b"]["d"], 1);
}

#[test]
fn wrong_password_or_id_closes_and_harms_nobody() {
    let server = Server::ephemeral();
    let mut poller = armed(&server);
    let other = Poller::start(&server, "chat");
    for (id, password) in [(&poller.id, &other.password), (&other.password, &poller.password), (&poller.id, &poller.id)]
    {
        let target = |parameters: &str| format!("/.lp?id={id}&pw={password}{parameters}");
        let answer = server.get(&target("&seg0=9&ts0=1&d0=!"));
        assert_eq!((answer.status, answer.text()), (200, "pLPCommand('close');"));
        assert_eq!(server.get(&target("&disconn=t")).status, 200);
        assert_eq!(server.request("POST", &target("&disconn=t"), &[], "").status, 200);
    }
    assert_eq!(state(&server), "null");
    poller.done("p", &json!({"p": "/a", "d": 1}));
}

#[test]
fn what_no_client_sends_ends_the_session() {
    let server = Server::ephemeral();
    let too_far = u64::MAX;
    for (pieces, reason) in [
        ("&seg0=1&ts0=1&d0=e30.".to_owned(), "Malformed message"),
        ("&seg0=1&ts0=1&d0=bm8gSlNPTg".to_owned(), "Malformed message"),
        ("&seg0=1&ts0=1&d0=%00".to_owned(), "Malformed message"),
        ("&seg0=1&ts0=0&d0=e30.".to_owned(), "Malformed message"),
        ("&seg0=1&ts0=2&d0=e30.&seg1=2&ts1=3&d1=e30.".to_owned(), "Malformed message"),
        (format!("&seg0={too_far}&ts0=1&d0=e30."), "Message too long"),
        ("&seg0=1025&ts0=1&d0=e30.".to_owned(), "Message too long"),
    ] {
        server.put("/state.json?ns=chat", "\"here\"");
        let mut poller = armed(&server);
        assert_eq!(poller.piece, 1);
        let next = poller.next;
        poller.poll(&pieces);
        assert_eq!(
            poller.take(),
            format!(r#"pRTLPCB({next},[{{"t":"c","d":{{"t":"e","d":"{reason}"}}}}]);pLPCommand('close');"#),
            "{pieces}"
        );
        assert_eq!(poller.take(), "pLPCommand('close');");
        assert_eq!(state(&server), "\"gone\"", "{pieces}");
    }
    assert_eq!(
        server.get(&Poller::start(&server, "chat").target("&seg0=1&d0=e30.")).status,
        400,
        "an incomplete piece"
    );
}

#[test]
fn former_session_ends_before_the_next_is_served() {
    let server = Server::ephemeral();
    let mut former = armed(&server);
    former.hold();
    let of_another = Poller::start_with(&server, "other", &format!("&ls={}", former.id));
    assert_eq!(state(&server), "null", "a session is only known within its namespace");
    let mut next = Poller::start_with(&server, "chat", &format!("&ls={}", former.id));
    assert_eq!(former.take(), "pLPCommand('close');");
    let (_, answer) = next.ask("g", &json!({"p": "/state", "q": {}}));
    assert_eq!(answer["d"], "gone");
    assert_ne!(of_another.id, next.id);
    let unknown = Poller::start_with(&server, "chat", "&ls=nobody");
    assert_ne!(unknown.id, next.id);
}

#[test]
fn reader_that_is_too_slow_is_closed() {
    let server = Server::start(&["--ephemeral", "--outbox-bytes", "4KB"]);
    let mut poller = armed(&server);
    poller.done("q", &json!({"p": "/a", "h": ""}));
    for round in 0..20 {
        server.put("/a.json?ns=chat", &format!("\"{}{round}\"", "x".repeat(1_000)));
    }
    poller.until_closed();
    assert_eq!((poller.closed, state(&server).as_str()), (Some(0), "\"gone\""));
}

#[test]
fn server_that_stops_closes_held_polls_at_once() {
    let mut server = Server::ephemeral();
    let mut poller = Poller::start(&server, "chat");
    poller.done("s", &json!({"c": {}}));
    poller.hold();
    server.signal("TERM");
    assert_eq!(poller.take(), "pLPCommand('close');");
    assert!(server.wait().success());
}
