//! What expressions come to, beyond the vectors.

use super::*;
use crate::model::Scalar;

const DATA: &str = r#"{"a":{"b":{"c":1},"s":"Ünï😀","n":0.1,"t":true,".priority":7},"e":"x"}"#;
const AUTH: &str = r#"{"uid":"u","list":["x",{"y":2}],"contains":5,"none":null,"big":1e300,"s":"abc"}"#;

/// Whether this is granted as `.read` at `/a`.
#[track_caller]
fn check(expression: &str, expected: bool) {
    let rules = format!("{{\"a\":{{\".read\":{}}}}}", serde_json::Value::from(expression));
    let verdict = Case::new(&rules, DATA, AUTH).read("/a", &Query::default());
    assert_eq!(verdict == Verdict::Allowed, expected, "{expression}: {verdict:?}");
}

#[track_caller]
fn holds(expressions: &[&str]) {
    for expression in expressions {
        check(expression, true);
    }
}

/// Neither these nor their opposites are granted: they are errors.
#[track_caller]
fn fails(expressions: &[&str]) {
    for expression in expressions {
        check(expression, false);
        check(&format!("!({expression})"), false);
    }
}

#[test]
fn snapshots_lead_to_their_places() {
    holds(&[
        "data.child('b').parent().child('/b//c/').val() == 1",
        "data.child('b/c').parent().parent().parent().child('e').val() == 'x'",
        "root.child('e').exists() && !data.child('e').exists()",
        "data.hasChildren() && data.hasChildren(['b/c', 'b']) && !data.hasChildren(['b', 'z'])",
        "!data.hasChildren(['z', auth.none])",
        "data.getPriority() == 7 && data.child('b').getPriority() == null",
        "data.child('s').isString() && data.child('n').isNumber() && data.child('t').isBoolean()",
        "!data.isString() && !data.isNumber() && !data.isBoolean() && !data.child('z').isString()",
        "(now > 1 ? data : root).child('b').exists()",
        "data['child']('b')['exists']()",
        "!data.child('').exists() && data.child('').parent().exists()",
        "!data.child('b.c/x').exists() && data.child('b.c/x').parent().parent().exists()",
        "data.child('x.y').val() == null && data.child('x.y').getPriority() == null",
    ]);
    fails(&[
        "root.parent().exists()",
        "data.child(auth.none).exists()",
        "data.child(auth.contains).exists()",
        "data.hasChildren(['b', auth.none])",
        "data.hasChildren(['z', auth.none + 1])",
    ]);
}

#[test]
fn path_deeper_than_data_can_be_leads_nowhere() {
    let deep = "x/".repeat(33);
    holds(&[&format!("!data.child('{deep}').exists()"), &format!("!data.child('{deep}').parent().exists()")]);
}

#[test]
fn strings_are_counted_and_searched_as_the_reference_says() {
    holds(&[
        "data.child('s').val().length == 5 && 'é'.length == 1",
        "'abc'.contains('') && 'abc'.beginsWith('') && 'abc'.endsWith('')",
        "'abc'.replace('', 'x') == 'abc' && 'a.b.c'.replace('.', '') == 'abc'",
        "data.child('s').val().toLowerCase() == 'ünï😀' && 'ß'.toUpperCase() == 'SS'",
        "'\u{ffff}' > '😀' && 'Z' < 'a' && 'a' <= 'a'",
        "auth.s.length == 3 && auth['s'].contains('b') && auth.s.matches(/^ABC$/i)",
        "'\\ud83d\\ude00' == '😀' && '\\x41' == 'A'",
    ]);
    fails(&["auth.none.contains('a')", "'abc'.contains(auth.none)", "data.val().length > 0"]);
}

#[test]
fn numbers_are_written_and_calculated_as_in_javascript() {
    holds(&[
        "1.0 + '' == '1' && -0 + '' == '0' && 0.1 + '' == '0.1' && 1e21 + '' == '1e+21' && 1e-7 + '' == '1e-7'",
        "123456789012345680000 + '' == '123456789012345680000' && 0.000001 + '' == '0.000001'",
        "-7 % 4 == -3 && 7 % 0 + '' == 'NaN' && -1 / 0 + '' == 'NaN'",
        "1 / 0 != 1 / 0 && !(1 / 0 == 1 / 0) && !(1 / 0 < 1) && !(1 / 0 >= 1)",
        "10 - 2 - 3 == 5 && 24 / 4 / 2 == 3 && 1 + 2 + '3' == '33'",
        "data.child('n').val() + 0.2 > 0.3 && auth.big * auth.big > auth.big",
        "auth.big * auth.big + '' == 'Infinity'",
    ]);
    fails(&[
        "-auth.none == 0",
        "auth.s - 1 == 0",
        "auth.none + 'a' == 'a'",
        "auth + 'a' == 'a'",
        "data.val() + '' == ''",
    ]);
}

#[test]
fn claims_are_reached_by_name_and_index() {
    holds(&[
        "auth.list[0] == 'x' && auth['list'][1].y == 2 && auth.list[2] == null && auth.list['0'] == 'x'",
        "auth.contains == 5 && auth.toString == null && auth.uid.foo == null && auth.none.x.y == null",
        "auth[auth.none] == null && auth[auth.uid] == null && auth == auth && auth.list != auth",
        "auth.list != null && !(auth.list == 'x')",
    ]);
}

#[test]
fn conditions_evaluate_only_what_they_need() {
    holds(&[
        "true ? true : auth.none > 1",
        "false ? auth.none > 1 : true",
        "true || auth.none > 1 || false",
        "!(false && auth.none > 1)",
        "false || false || true",
        "false ? false : true ? true : auth.none > 1",
        "true || true ? true : auth.none > 1",
    ]);
    fails(&["auth.none > 1 || true", "(auth.none > 1) == null", "auth.none > 1 ? true : true"]);
}

#[test]
fn queries_are_seen_as_they_were_asked() {
    let seen = |params: &[(&str, &str)], expression: &str| {
        let rules = format!("{{\".read\":{}}}", serde_json::Value::from(expression));
        let query = Query::from_params(params).unwrap().unwrap_or_default();
        let verdict = Case::new(&rules, "null", "null").read("/a/b", &query);
        assert_eq!(verdict, Verdict::Allowed, "{params:?} {expression}");
    };
    seen(&[], "query.orderByKey && !query.orderByValue && !query.orderByPriority && query.limitToFirst == null");
    let child = [("orderBy", "\"a/b\""), ("startAt", "5"), ("endAt", "true"), ("limitToLast", "3")];
    seen(&child, "query.orderByChild == 'a/b' && query.startAt == 5 && query.endAt == true && query.equalTo == null");
    seen(&child, "query.limitToLast == 3 && query.limitToFirst == null && !query.orderByKey");
    let key = [("orderBy", "\"$key\""), ("startAfter", "\"k\"")];
    seen(&key, "query.orderByKey && query.startAt == 'k' && query.endAt == null && query.orderByChild == null");
    let equal = [("orderBy", "\"$key\""), ("equalTo", "\"k\"")];
    seen(&equal, "query.equalTo == 'k' && query.startAt == null && query.endAt == null");
    let priority = [("orderBy", "\"$priority\""), ("equalTo", "null"), ("limitToFirst", "1")];
    seen(&priority, "query.orderByPriority && !query.orderByKey && query.equalTo == null && query.startAt == null");
    let value = [("orderBy", "\"$value\""), ("startAt", "null,\"k\"")];
    seen(&value, "query.orderByValue && query.startAt == null");
}

#[test]
fn new_data_is_merged_with_what_is_there() {
    let rules =
        r#"{"a":{".write":"newData.child('n').val() == data.child('n').val() && newData.child('x').val() == 1"}}"#;
    let case = Case::new(rules, DATA, "null");
    assert_eq!(case.write(&[("a/x", Node::leaf(Scalar::Int(1)))]), Verdict::Allowed);
    assert_ne!(case.write(&[("a", node(r#"{"x":1}"#, 0))]), Verdict::Allowed);
}

#[test]
fn admins_may_all_and_nothing_is_looked_at() {
    struct Broken;
    impl View for Broken {
        fn look(&self, path: &Path) -> Result<Seen, ViewError> {
            Err(ViewError(format!("disk of {path}").into()))
        }

        fn priority(&self, path: &Path) -> Result<Option<Scalar>, ViewError> {
            self.look(path).map(|_| None)
        }
    }
    let rules = Rules::parse(r#"{"rules":{".read":"data.exists()","a":{".validate":"true == false"}}}"#).unwrap();
    let read =
        |identity: &Identity| rules.may_read(&Asker { identity, now: 0 }, &path("a"), &Query::default(), &Broken);
    assert_eq!(read(&Identity::Admin).unwrap(), Verdict::Allowed);
    assert_eq!(read(&Identity::Nobody).unwrap_err().to_string(), "rules could not read data: disk of /");
    let identity = &Identity::Admin;
    let new = node("1", 0);
    let written = rules.may_write(&Asker { identity, now: 0 }, &path("a"), Some(&new), &Broken, &Broken);
    assert_eq!(written.unwrap(), Verdict::Allowed);
}

#[test]
fn closed_rules_deny_all_and_open_ones_nothing() {
    let verdicts = |rules: Rules| {
        let case = Case { rules, identity: Identity::Nobody, now: 0, before: node(DATA, 0) };
        [case.read("a", &Query::default()), case.write(&[("a", node("1", 0))])]
            .map(|verdict| verdict == Verdict::Allowed)
    };
    assert_eq!(verdicts(Rules::open()), [true, true]);
    assert_eq!(verdicts(Rules::closed()), [false, false]);
}
