//! The vectors of the Firebase rules reference, section 11.

use std::collections::HashMap;

use super::vector_lines::{VECTORS, vectors};
use super::*;
use crate::model::Scalar;

const ALICE: &str = r#"{"uid":"alice"}"#;
const BOB: &str = r#"{"uid":"bob","token":{"admin":true,"email":"b@x.io"}}"#;
const CLAIMS: &str = r#"{"uid":"c","i":1,"s":"one","b":true,"o":{"bar":true},"f":1.5}"#;

fn auth(name: &str) -> &'static str {
    match name {
        "A" => ALICE,
        "B" => BOB,
        "C" => CLAIMS,
        _ => "null",
    }
}

/// Whether a verdict is the result of a vector.
#[track_caller]
fn check(id: &str, verdict: &Verdict, result: &str) {
    let found = if *verdict == Verdict::Allowed { "allow" } else { "deny" };
    assert_eq!(found, result, "{id}: {verdict:?}");
}

fn quoted(expression: &str) -> String {
    serde_json::Value::from(expression).to_string()
}

/// Runs `read /a query {..}`, `write /a 1 now=5 priority=3` or `update / {"a":1}`.
fn run(case: &mut Case, operation: &str) -> Verdict {
    let mut words = operation.splitn(3, ' ');
    let (verb, at, rest) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap_or("null"));
    let (rest, now) = rest.rsplit_once("now=").unwrap_or((rest, "1000000"));
    case.now = now.parse().unwrap();
    let (value, priority) = rest.split_once(" priority=").map_or((rest, None), |(rest, given)| (rest, Some(given)));
    match verb {
        "read" => {
            let query = rest.strip_prefix("query ").map_or_else(Query::default, query);
            case.read(at, &query)
        }
        "write" => {
            let priority = priority.map(|priority| Scalar::Int(priority.parse().unwrap()));
            case.write(&[(at, node(value, case.now).with_priority(priority))])
        }
        "update" => {
            let members: serde_json::Map<String, serde_json::Value> = serde_json::from_str(value).unwrap();
            let members: Vec<_> = members
                .iter()
                .map(|(below, value)| (format!("{at}/{below}"), node(&value.to_string(), case.now)))
                .collect();
            let writes: Vec<_> = members.iter().map(|(at, node)| (at.as_str(), node.clone())).collect();
            case.write(&writes)
        }
        _ => panic!("{operation}"),
    }
}

/// A query, given as what rules see of it.
fn query(text: &str) -> Query {
    let seen: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text).unwrap();
    let mut params = Vec::new();
    for (name, value) in &seen {
        let order = |value: &str| ("orderBy", quoted(value));
        params.push(match name.as_str() {
            "orderByKey" => order("$key"),
            "orderByValue" => order("$value"),
            "orderByPriority" => order("$priority"),
            "orderByChild" => order(value.as_str().unwrap()),
            other => (other, value.to_string()),
        });
    }
    let params: Vec<_> = params.iter().map(|(name, value)| (*name, value.as_str())).collect();
    Query::from_params(&params).unwrap().unwrap()
}

#[test]
fn operations_are_judged_as_the_vectors_say() {
    let named: HashMap<_, _> = VECTORS.lines().filter_map(|line| line.split_once(" = {")).collect();
    let vectors = vectors('T');
    assert_eq!(vectors.len(), 78);
    for (id, fields) in vectors {
        let [rules, data, who, operation, result] = fields[..] else { panic!("{id}: {fields:?}") };
        let rules = named
            .iter()
            .find(|(name, _)| name.trim() == rules)
            .map_or(rules.to_owned(), |(_, rest)| format!("{{{rest}"));
        let mut case = Case::new(&rules, data, auth(who));
        let verdict = run(&mut case, operation);
        check(id, &verdict, result);
    }
}

#[test]
fn expressions_come_to_what_the_vectors_say() {
    let vectors = vectors('E');
    assert_eq!(vectors.len(), 32);
    for (id, fields) in vectors {
        let [expression, who, result] = fields[..] else { panic!("{id}: {fields:?}") };
        let case = Case::new(&format!("{{\".read\":{}}}", quoted(expression)), "null", auth(who));
        check(id, &case.read("/", &Query::default()), result);
    }
}

#[test]
fn strings_are_judged_as_the_vectors_say() {
    let vectors = vectors('S');
    assert_eq!(vectors.len(), 24);
    for (id, fields) in vectors {
        let [expression, value, result] = fields[..] else { panic!("{id}: {fields:?}") };
        let rules = format!("{{\"a\":{{\".read\":{}}}}}", quoted(expression));
        let case = Case::new(&rules, &format!("{{\"a\":{value}}}"), "null");
        check(id, &case.read("/a", &Query::default()), result);
    }
}

#[test]
fn uploads_are_taken_or_refused_as_the_vectors_say() {
    let vectors = vectors('U');
    assert_eq!(vectors.len(), 42);
    for (id, fields) in vectors {
        let [rules, result] = fields[..] else { panic!("{id}: {fields:?}") };
        let rules = if rules.starts_with('{') { rules.to_owned() } else { format!("{{\".read\":{}}}", quoted(rules)) };
        let found = Rules::parse(&format!("{{\"rules\":{rules}}}"));
        assert_eq!(if found.is_ok() { "ok" } else { "error" }, result, "{id}: {found:?}");
    }
}
