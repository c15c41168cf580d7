//! Conversations of official SDKs with their test server, letter by letter (20).

use crate::realtime_client::Realtime;
use crate::support::Server;

const ROOMS: &str = r#"{"rooms":{"r1":{"n":1},"r2":{"n":2},"r3":{"n":3}}}"#;

/// npm `firebase` 12 in Node (20.1).
const SDK_12: &str = r#"
    C> {"r":1,"a":"s","b":{"c":{"sdk.node.12-19-0":1}}}
    S> {"r":1,"b":{"s":"ok","d":""}}
                                                          onValue(rooms/r1)
    C> {"r":2,"a":"q","b":{"p":"/rooms/r1","h":""}}
    S> {"b":{"p":"rooms/r1","d":{"n":1}},"a":"d"}
    S> {"r":2,"b":{"s":"ok","d":{}}}
                                                          set(rooms/r1/n, 5): echo, then ack
    C> {"r":3,"a":"p","b":{"p":"/rooms/r1/n","d":5}}
    S> {"b":{"p":"rooms/r1/n","d":5},"a":"d"}
    S> {"r":3,"b":{"s":"ok","d":""}}
                                                          query(rooms, orderByChild n, limitToLast 2)
    C> {"r":4,"a":"q","b":{"p":"/rooms","q":{"l":2,"vf":"r","i":"n"},"t":1,"h":"36gXo/Ltc77Yr6jU4U2fuHgBVSs="}}
    S> {"b":{"p":"rooms","d":{"r1":{"n":5},"r3":{"n":3}},"t":1},"a":"d"}
    S> {"r":4,"b":{"s":"ok","d":{}}}
                                                          set(rooms/r9): enters the window
    C> {"r":5,"a":"p","b":{"p":"/rooms/r9","d":{"n":9}}}
    S> {"b":{"p":"rooms","d":{"r3":null,"r9":{"n":9}},"t":1},"a":"m"}
    S> {"r":5,"b":{"s":"ok","d":""}}
                                                          remove(rooms/r9): its successor comes back
    C> {"r":6,"a":"p","b":{"p":"/rooms/r9","d":null}}
    S> {"b":{"p":"rooms","d":{"r9":null,"r3":{"n":3}},"t":1},"a":"m"}
    S> {"r":6,"b":{"s":"ok","d":""}}
                                                          update(/): one push per family, the tagged first
    C> {"r":7,"a":"m","b":{"p":"/","d":{"rooms/r1/n":100,"rooms/r3":null,"other":true}}}
    S> {"b":{"p":"rooms","d":{"r3":null,"r2":{"n":2},"r1":{"n":100}},"t":1},"a":"m"}
    S> {"b":{"p":"rooms/r1/n","d":100},"a":"d"}
    S> {"r":7,"b":{"s":"ok","d":""}}
                                                          runTransaction(ctr, x => (x||0)+1), twice
    C> {"r":8,"a":"q","b":{"p":"/ctr","h":""}}
    S> {"r":8,"b":{"s":"ok","d":{}}}
    C> {"r":9,"a":"p","b":{"p":"/ctr","d":1,"h":""}}
    S> {"b":{"p":"ctr","d":1},"a":"d"}
    S> {"r":9,"b":{"s":"ok","d":""}}
    C> {"r":10,"a":"n","b":{"p":"/ctr"}}
    S> {"r":10,"b":{"s":"ok","d":""}}
    C> {"r":11,"a":"q","b":{"p":"/ctr","h":""}}
    S> {"b":{"p":"ctr","d":1},"a":"d"}
    S> {"r":11,"b":{"s":"ok","d":{}}}
    C> {"r":12,"a":"p","b":{"p":"/ctr","d":1,"h":""}}
    S> {"r":12,"b":{"s":"datastale","d":"Transaction hash does not match"}}
    C> {"r":13,"a":"p","b":{"p":"/ctr","d":2,"h":"YPVfR2bXt/lcDjiQZ8pOkAd3qkQ="}}
    S> {"b":{"p":"ctr","d":2},"a":"d"}
    S> {"r":13,"b":{"s":"ok","d":""}}
    C> {"r":14,"a":"n","b":{"p":"/ctr"}}
    S> {"r":14,"b":{"s":"ok","d":""}}
                                                          push(log, ..): nobody listens, no echo
    C> {"r":15,"a":"p","b":{"p":"/log/-P6u6o2ktaF2Sho_EpxM","d":{"at":{".sv":"timestamp"},"c":{".sv":{"increment":2}}}}}
    S> {"r":15,"b":{"s":"ok","d":""}}
                                                          onDisconnect().set, .update, .cancel
    C> {"r":16,"a":"o","b":{"p":"/presence/u1","d":false}}
    C> {"r":17,"a":"om","b":{"p":"/presence","d":{"u2":null}}}
    C> {"r":18,"a":"oc","b":{"p":"/presence/u1","d":null}}
    S> {"r":16,"b":{"s":"ok","d":""}}
    S> {"r":17,"b":{"s":"ok","d":""}}
    S> {"r":18,"b":{"s":"ok","d":""}}
                                                          get(query(rooms, orderByKey, startAfter r1))
    C> {"r":19,"a":"g","b":{"p":"/rooms","q":{"sp":"r1","sin":false,"i":".key"}}}
    S> {"r":19,"b":{"s":"ok","d":{"r2":{"n":2}}}}
"#;

/// npm `firebase` 2.4.2 in Node (20.2), with what the server of the transcript had not to say.
const SDK_2: &str = r#"
    C> {"r":1,"a":"s","b":{"c":{"sdk.js.2-4-2":1}}}
    S> {"r":1,"b":{"s":"ok","d":""}}
    C> {"r":2,"a":"q","b":{"p":"/rooms/r1","h":""}}
    S> {"b":{"p":"rooms/r1","d":{"n":1}},"a":"d"}
    S> {"r":2,"b":{"s":"ok","d":{}}}
    C> {"r":3,"a":"q","b":{"p":"/rooms","q":{"l":2,"vf":"r"},"t":1,"h":"GoOG/6/54CsxGn5rZH7/4Q8wvmY="}}
    S> {"b":{"p":"rooms","d":{"r2":{"n":2},"r3":{"n":3}},"t":1},"a":"d"}
    S> {"r":3,"b":{"s":"ok","d":{}}}
    C> {"r":4,"a":"q","b":{"p":"/rooms","q":{"sp":2,"l":1,"vf":"l","i":"n"},"t":2,"h":"GoOG/6/54CsxGn5rZH7/4Q8wvmY="}}
    S> {"b":{"p":"rooms","d":{"r2":{"n":2}},"t":2},"a":"d"}
    S> {"r":4,"b":{"s":"ok","d":{}}}
                                                          setWithPriority
    C> {"r":7,"a":"p","b":{"p":"/rooms/r9","d":{"n":9,".priority":7}}}
    S> {"b":{"p":"rooms","d":{"r2":null,"r9":{".priority":7,"n":9}},"t":1},"a":"m"}
    S> {"r":7,"b":{"s":"ok","d":""}}
                                                          setPriority
    C> {"r":8,"a":"p","b":{"p":"/rooms/r9/.priority","d":"x"}}
    S> {"b":{"p":"rooms/r9","d":{".priority":"x","n":9},"t":1},"a":"d"}
    S> {"r":8,"b":{"s":"ok","d":""}}
    C> {"r":12,"a":"auth","b":{"cred":"a.b.c"}}
    S> {"r":12,"b":{"s":"invalid_token","d":"Could not parse auth token."}}
    C> {"r":13,"a":"unauth","b":{}}
    S> {"r":13,"b":{"s":"ok","d":"unauthenticated"}}
"#;

/// The same client once more: hashes are equal, so no data comes; numbers go on, tags are kept.
const SDK_2_AGAIN: &str = r#"
    C> {"r":15,"a":"q","b":{"p":"/rooms/r1","h":"bk8dIh8Akxn4Q4uTVwWtl4dxNyg="}}
    S> {"r":15,"b":{"s":"ok","d":{}}}
    C> {"r":16,"a":"q","b":{"p":"/rooms","q":{"l":2,"vf":"r"},"t":1,"h":"TF+NpD0o5HoigEOUe5QiJNPkxOg="}}
    S> {"r":16,"b":{"s":"ok","d":{}}}
"#;

#[test]
fn sdk_12_hears_what_its_transcript_says() {
    let server = Server::ephemeral();
    server.put("/.json?ns=foo", ROOMS);
    Realtime::connect(server.address(), "foo").play(SDK_12);
}

#[test]
fn sdk_2_finds_its_namespace_and_hears_what_its_transcript_says() {
    let server = Server::ephemeral();
    server.put("/.json?ns=chat", ROOMS);
    let host = format!("chat.rtdb.localhost:{}", server.port);
    let mut client = Realtime::connect_at(server.address(), &host, "/.ws?v=5");
    client.play(SDK_2);
    let target = format!("/.ws?v=5&ls={}", client.id());
    client.close();
    Realtime::connect_at(server.address(), &host, &target).play(SDK_2_AGAIN);
}
