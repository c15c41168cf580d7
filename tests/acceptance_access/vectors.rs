//! The vectors of the rules reference through the real server: over REST, over the realtime protocol, and as uploads.
//!
//! Each vector has a database of its own. What is refused must change nothing, what is allowed must be done.
//! Source: Firebase rules reference 10, 11.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use crate::realtime_client::Realtime;
use crate::support::{Answer, Connection, Server};
use crate::unsigned;
use crate::vector_lines::{VECTORS, vectors as lines};

/// It needs a clock that stands at 9 ms of 1970; a unit test of the rules has one.
const OF_ANOTHER_TIME: [&str; 1] = ["T044"];

/// A database, who comes, what is asked of it, and whether that is allowed.
struct Vector {
    id: &'static str,
    rules: String,
    data: Value,
    auth: Value,
    operation: Operation,
    is_allowed: bool,
}

enum Operation {
    /// With the query as rules see it.
    Read(&'static str, Map<String, Value>),
    Write(&'static str, Value),
    Update(&'static str, Value),
}

fn vectors() -> Vec<Vector> {
    let mut vectors: Vec<Vector> = lines('T').into_iter().map(of_operation).collect();
    vectors.extend(lines('E').into_iter().map(of_expression));
    vectors.extend(lines('S').into_iter().map(of_string));
    assert_eq!(vectors.len(), 78 + 32 + 24);
    vectors.retain(|vector| !OF_ANOTHER_TIME.contains(&vector.id));
    vectors
}

fn of_operation((id, fields): (&'static str, Vec<&'static str>)) -> Vector {
    let [rules, data, who, operation, result] = fields[..] else { panic!("{id}: {fields:?}") };
    let operation = operation_of(operation);
    let mut rules = named(rules).unwrap_or_else(|| rules.to_owned());
    if matches!(&operation, Operation::Read(_, query) if !query.is_empty()) {
        // REST answers no query without an index.
        rules = rules.replacen(r#"{"m":{"#, r#"{"m":{".indexOn":["owner",".value"],"#, 1);
    }
    Vector { id, rules, data: parse(data), auth: auth(who), operation, is_allowed: result == "allow" }
}

fn of_expression((id, fields): (&'static str, Vec<&'static str>)) -> Vector {
    let [expression, who, result] = fields[..] else { panic!("{id}: {fields:?}") };
    let rules = json!({ ".read": expression }).to_string();
    let operation = Operation::Read("/", Map::new());
    Vector { id, rules, data: Value::Null, auth: auth(who), operation, is_allowed: result == "allow" }
}

fn of_string((id, fields): (&'static str, Vec<&'static str>)) -> Vector {
    let [expression, value, result] = fields[..] else { panic!("{id}: {fields:?}") };
    let rules = json!({ "a": { ".read": expression } }).to_string();
    let (data, operation) = (json!({ "a": parse(value) }), Operation::Read("/a", Map::new()));
    Vector { id, rules, data, auth: Value::Null, operation, is_allowed: result == "allow" }
}

/// The rule set of this name.
fn named(name: &str) -> Option<String> {
    let mut sets = VECTORS.lines().filter_map(|line| line.split_once(" = {"));
    sets.find(|(set, _)| set.trim() == name).map(|(_, rest)| format!("{{{rest}"))
}

/// Of `read /a query {..}`, `write /a 1 now=5 priority=3` or `update / {"a":1}`. No other time can be had here.
fn operation_of(text: &'static str) -> Operation {
    let mut words = text.splitn(3, ' ');
    let (verb, at, rest) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap_or(""));
    let rest = rest.split(" now=").next().unwrap();
    match (verb, rest.split_once(" priority=")) {
        ("read", _) => {
            let query = rest.strip_prefix("query ").map(parse);
            Operation::Read(at, query.map_or_else(Map::new, |query| query.as_object().unwrap().clone()))
        }
        ("write", None) => Operation::Write(at, parse(rest)),
        ("write", Some((value, priority))) => {
            Operation::Write(at, json!({ ".value": parse(value), ".priority": parse(priority) }))
        }
        ("update", _) => Operation::Update(at, parse(rest)),
        _ => panic!("{text}"),
    }
}

fn auth(name: &str) -> Value {
    match name {
        "A" => json!({ "uid": "alice" }),
        "B" => json!({ "uid": "bob", "token": { "admin": true, "email": "b@x.io" } }),
        "C" => json!({ "uid": "c", "i": 1, "s": "one", "b": true, "o": { "bar": true }, "f": 1.5 }),
        _ => Value::Null,
    }
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// A token whose owner `auth` is, verbatim.
fn token(auth: &Value) -> String {
    unsigned(&json!({ "v": 0, "iat": 0, "d": auth }))
}

impl Vector {
    /// What `way` reaches its database by.
    fn namespace(&self, way: &str) -> String {
        format!("{}-{way}", self.id.to_ascii_lowercase())
    }

    fn is_write(&self) -> bool {
        !matches!(self.operation, Operation::Read(..))
    }

    /// Puts rules and data there.
    fn prepare(&self, connection: &mut Connection, namespace: &str) {
        let body = format!("{{\"rules\":{}}}", self.rules);
        let answer = put(connection, "/.settings/rules", namespace, &body);
        assert_eq!(answer.status, 200, "{}: {}", self.id, answer.text());
        let answer = put(connection, "/", namespace, &self.data.to_string());
        assert_eq!(answer.status, 200, "{}: {}", self.id, answer.text());
    }

    /// Checks what became of the data.
    fn check_data(&self, connection: &mut Connection, namespace: &str) {
        let target = format!("/.json?ns={namespace}&access_token=owner");
        let stored = connection.request("GET", &target, &[], "").json();
        let is_changed = self.is_write() && self.is_allowed;
        assert_eq!(stored != self.data, is_changed, "{namespace}: {stored}");
    }
}

fn put(connection: &mut Connection, place: &str, namespace: &str, body: &str) -> Answer {
    connection.request("PUT", &format!("{place}.json?ns={namespace}&access_token=owner"), &[], body)
}

#[test]
fn operations_over_rest_are_judged_as_the_vectors_say() {
    let server = Server::ephemeral();
    let mut connection = server.connect();
    for vector in vectors() {
        let act_as = utf8_percent_encode(&vector.auth.to_string(), NON_ALPHANUMERIC).to_string();
        let mut ways = vec![("admin", format!("&access_token=owner&auth_variable_override={act_as}"))];
        ways.push(match &vector.auth {
            Value::Null => ("nobody", String::new()),
            auth => ("token", format!("&auth={}", token(auth))),
        });
        for (way, credential) in ways {
            let namespace = vector.namespace(way);
            vector.prepare(&mut connection, &namespace);
            let answer = over_rest(&mut connection, &vector.operation, &format!("ns={namespace}{credential}"));
            let expected = if vector.is_allowed { 200 } else { 401 };
            assert_eq!(answer.status, expected, "{namespace}: {}", answer.text());
            if !vector.is_allowed {
                assert_eq!(answer.json(), json!({ "error": "Permission denied" }), "{namespace}");
            }
            vector.check_data(&mut connection, &namespace);
        }
    }
}

fn over_rest(connection: &mut Connection, operation: &Operation, query: &str) -> Answer {
    let (method, at, extra, body) = match operation {
        Operation::Read(at, seen) => ("GET", at, parameters(seen), String::new()),
        Operation::Write(at, value) => ("PUT", at, String::new(), value.to_string()),
        Operation::Update(at, value) => ("PATCH", at, String::new(), value.to_string()),
    };
    connection.request(method, &format!("{at}.json?{query}{extra}"), &[], &body)
}

/// A query in the parameters of REST.
fn parameters(seen: &Map<String, Value>) -> String {
    let parameter = |(name, value): (&String, &Value)| {
        let (name, value) = match name.as_str() {
            "orderByKey" => ("orderBy", json!("$key")),
            "orderByValue" => ("orderBy", json!("$value")),
            "orderByChild" => ("orderBy", value.clone()),
            other => (other, value.clone()),
        };
        format!("&{name}={}", utf8_percent_encode(&value.to_string(), NON_ALPHANUMERIC))
    };
    seen.iter().map(parameter).collect()
}

#[test]
fn operations_over_the_realtime_protocol_are_judged_as_the_vectors_say() {
    let server = Server::ephemeral();
    let mut connection = server.connect();
    for vector in vectors() {
        for way in ["auth", "gauth"] {
            let namespace = vector.namespace(way);
            vector.prepare(&mut connection, &namespace);
            let mut client = Realtime::connect(server.address(), &namespace);
            let credential = match (way, &vector.auth) {
                ("auth", Value::Null) => None,
                ("auth", auth) => Some(json!({ "cred": token(auth) })),
                (_, Value::Null) => Some(json!({ "cred": "owner", "noauth": true })),
                (_, auth) => Some(json!({ "cred": "owner", "authvar": auth })),
            };
            if let Some(credential) = credential {
                client.done(1, way, &credential.to_string());
            }
            for (number, (action, body)) in (2..).zip(requests(&vector.operation)) {
                let (pushes, answer) = client.ask(number, action, &body.to_string());
                let expected = if vector.is_allowed { "ok" } else { "permission_denied" };
                assert_eq!(answer["s"], expected, "{namespace}, {action} {body}: {answer}");
                assert!(vector.is_allowed || pushes.is_empty(), "{namespace}, {action}: {pushes:?}");
            }
            vector.check_data(&mut connection, &namespace);
        }
    }
}

/// What asks for it in the realtime protocol: everything is read by a listen and once.
fn requests(operation: &Operation) -> Vec<(&'static str, Value)> {
    match operation {
        Operation::Read(at, seen) if seen.is_empty() => {
            vec![("g", json!({ "p": at })), ("q", json!({ "p": at, "h": "" }))]
        }
        Operation::Read(at, seen) => {
            let query = wire_query(seen);
            vec![("g", json!({ "p": at, "q": query })), ("q", json!({ "p": at, "q": query, "t": 1, "h": "" }))]
        }
        Operation::Write(at, value) => vec![("p", json!({ "p": at, "d": value }))],
        Operation::Update(at, value) => vec![("m", json!({ "p": at, "d": value }))],
    }
}

/// A query as SDKs send it.
fn wire_query(seen: &Map<String, Value>) -> Value {
    let mut query = Map::new();
    for (name, value) in seen {
        let members = match name.as_str() {
            "orderByKey" => json!({ "i": ".key" }),
            "orderByValue" => json!({ "i": ".value" }),
            "orderByChild" => json!({ "i": value }),
            "equalTo" => json!({ "sp": value, "ep": value }),
            "limitToFirst" => json!({ "l": value, "vf": "l" }),
            "limitToLast" => json!({ "l": value, "vf": "r" }),
            other => panic!("{other}"),
        };
        query.extend(members.as_object().unwrap().clone());
    }
    Value::Object(query)
}

#[test]
fn uploads_are_taken_or_refused_as_the_vectors_say() {
    const BEFORE: &str = r#"{"rules":{".read":false}}"#;
    let server = Server::ephemeral();
    let mut connection = server.connect();
    let vectors = lines('U');
    assert_eq!(vectors.len(), 42);
    for (id, fields) in vectors {
        let [rules, result] = fields[..] else { panic!("{id}: {fields:?}") };
        let (namespace, is_tree) = (id.to_ascii_lowercase(), rules.starts_with('{'));
        let rules = if is_tree { rules.to_owned() } else { json!({ ".read": rules }).to_string() };
        // On a line of its own, that the line told is not always the first.
        let file = format!("{{\n  \"rules\": {rules}\n}}\n");
        assert_eq!(put(&mut connection, "/.settings/rules", &namespace, BEFORE).status, 200);
        for target in ["/.settings/rules.json?dryRun=true&", "/.settings/rules.json?"] {
            let target = format!("{target}ns={namespace}&access_token=owner");
            let answer = connection.request("PUT", &target, &[], &file);
            if result == "ok" {
                assert_eq!((answer.status, answer.json()), (200, json!({ "status": "ok" })), "{id}");
            } else {
                assert_eq!(answer.status, 400, "{id}: {}", answer.text());
                check_problems(id, answer.json()["error"].as_str().unwrap(), &file);
            }
        }
        let target = format!("/.settings/rules.json?ns={namespace}&access_token=owner");
        let in_force = connection.request("GET", &target, &[], "");
        assert_eq!(in_force.text(), if result == "ok" { &file } else { BEFORE }, "{id}");
    }
}

/// Checks that problems are told as tools expect it, `<line>:<column>: <text>` each, of places that `file` has.
fn check_problems(id: &str, problems: &str, file: &str) {
    assert!(problems.ends_with('\n') && problems.len() > 1, "{id}: {problems:?}");
    for problem in problems.lines() {
        let mut parts = problem.splitn(3, ':');
        let mut number = || parts.next().and_then(|part| part.parse::<usize>().ok()).unwrap_or(0);
        let (line, column) = (number(), number());
        let text = parts.next().and_then(|text| text.strip_prefix(' ')).unwrap_or("");
        assert!(!text.is_empty(), "{id}: {problem}");
        assert_eq!(line, 2, "{id}: {problem}");
        let chars = file.lines().nth(line - 1).unwrap().chars().count();
        assert!((1..=chars + 1).contains(&column), "{id}: {problem}");
        assert!(column > "  \"rules\": ".len(), "{id}: {problem}");
    }
}
