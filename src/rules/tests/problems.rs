//! What is said of faulty expressions, and where.

use super::*;

/// The problems of a rule of this kind at `/$k`, with columns counted from its first character: `1: text`.
#[track_caller]
fn problems(kind: &str, expression: &str) -> Vec<String> {
    let head = format!(r#"{{"rules":{{"$k":{{"{kind}":"#);
    let source = format!("{head}{}}}}}}}", serde_json::Value::from(expression));
    match Rules::parse(&source) {
        Ok(_) => Vec::new(),
        Err(error) => {
            let told = |problem: &Problem| format!("{}: {}", problem.column - head.len() - 1, problem.text);
            error.problems.iter().map(told).collect()
        }
    }
}

#[track_caller]
fn check(kind: &str, expression: &str, expected: &[&str]) {
    assert_eq!(problems(kind, expression), expected, "{kind}: {expression}");
}

fn read(expression: &str, expected: &str) {
    check(".read", expression, &[expected]);
}

#[test]
fn names_that_are_not_there_are_told() {
    read("tr", "1: Unknown variable 'tr'.");
    read("true && ($j == 'a')", "10: Unknown variable '$j'.");
    read("undefined == 1", "1: Unknown variable 'undefined'.");
    read("newData.exists()", "1: Unknown variable 'newData'.");
    check(".write", "query.orderByKey", &["1: Unknown variable 'query'."]);
    check(".validate", "newData.exists() && $k.length < 3", &[]);
    read("data.numChildren() > 1", "6: No such method/property 'numChildren'.");
    read("data.val().foo == 1", "12: No such method/property 'foo'.");
    read("auth.uid.foo('a')", "10: No such method/property 'foo'.");
    read("query.foo == 1", "7: No such method/property 'foo'.");
    read("now.length > 1", "5: No such method/property 'length'.");
    read("data['foo'] == 1", "6: No such method/property 'foo'.");
    read("Math.abs(1) == 1", "1: Unknown variable 'Math'.");
}

#[test]
fn calls_and_accesses_that_cannot_be_are_told() {
    let not_a_function = "Type error: Function call on target that is not a function.";
    read("auth()", &format!("1: {not_a_function}"));
    read("data.val()() == 1", &format!("1: {not_a_function}"));
    read("query.orderByKey()", &format!("7: {not_a_function}"));
    read("$k.length() == 1", &format!("4: {not_a_function}"));
    read("root['exi'+'sts']()", "6: Invalid property access.");
    read("data[$k] == 1", "6: Invalid property access.");
    read("auth[data] == 1", "6: Invalid property access.");
    read("data.exists == true", "6: Type error: 'exists' is a method, it must be called: exists().");
}

#[test]
fn operands_that_do_not_fit_are_told() {
    let value = "a number, boolean, string, or null";
    for sign in ["==", "===", "!=", "!=="] {
        read(&format!("root {sign} null"), &format!("1: Invalid {sign} expression: left operand is not {value}."));
        let column = "null  ".len() + sign.len() + 1;
        read(
            &format!("null {sign} /a/"),
            &format!("{column}: Invalid {sign} expression: right operand is not {value}."),
        );
    }
    read("query == 1", &format!("1: Invalid == expression: left operand is not {value}."));
    read("1 == ['a']", &format!("6: Invalid == expression: right operand is not {value}."));
    for sign in ["<", "<=", ">", ">="] {
        read(
            &format!("true {sign} 1"),
            &format!("1: Invalid {sign} expression: left operand is not a number or string."),
        );
        read(&format!("1 {sign} 'a'"), &format!("1: Invalid {sign} expression: number and string cannot be compared."));
    }
    read("1 + true == 2", "5: Invalid + expression: right operand is not a number or string.");
    read("null + 1 == 2", "1: Invalid + expression: left operand is not a number or string.");
    for sign in ["-", "*", "/", "%"] {
        read(&format!("'a' {sign} 1 == 2"), &format!("1: Invalid {sign} expression: left operand is not a number."));
    }
    read("-'a' == 1", "2: Invalid - expression: operand is not a number.");
    check(
        ".read",
        "data + null == -root",
        &[
            "1: Invalid + expression: left operand is not a number or string.",
            "8: Invalid + expression: right operand is not a number or string.",
            "17: Invalid - expression: operand is not a number.",
        ],
    );
}

#[test]
fn conditions_that_are_not_boolean_are_told() {
    read("auth && true", "1: Left operand of && must be boolean.");
    read("true && true && auth.x", "17: Right operand of && must be boolean.");
    read("data.val() || true", "1: Left operand of || must be boolean.");
    read("true || (1)", "10: Right operand of || must be boolean.");
    read("!auth.admin", "2: ! only operates on booleans.");
    read("auth.x ? true : false", "1: Condition of ? must be boolean.");
    for not_boolean in ["7", "'foo'", "auth", "data.val()", "true ? 7 : true", "null", "data", "/a/", "['a']", "$k"] {
        read(not_boolean, "1: Expression must evaluate to a boolean.");
    }
    check(".read", "true ? auth.x == 1 : query.orderByKey", &[]);
}

#[test]
fn arguments_that_do_not_fit_are_told() {
    read("data.hasChildren('a')", "18: hasChildren takes 1 argument: an array of strings");
    read("data.hasChildren(['a'], 'b')", "25: Too many arguments to hasChildren");
    read("data.hasChildren([])", "18: hasChildren got an empty array, expected some strings in there");
    read("data.hasChildren(['a', 7])", "24: hasChildren takes 1 argument: an array of strings");
    read("data.exists(1)", "1: exists expects 0 arguments, but got 1 instead");
    read("data.child().exists()", "1: child expects 1 arguments, but got 0 instead");
    read("$k.replace('a') == 'b'", "1: replace expects 2 arguments, but got 1 instead");
    read("$k.replace('a', 1) == 'b'", "17: replace expects argument 2 to be a string, but got number");
    read("'a'.contains(7)", "14: contains expects argument 1 to be a string, but got number");
    read("data.child(null).exists()", "12: child expects argument 1 to be a string, but got null");
    read("data.hasChild(data)", "15: hasChild expects argument 1 to be a string, but got snapshot");
    read("$k.matches('/a/')", "12: matches expects argument 1 to be a regex literal, but got string");
    check(".read", "data.child(auth.uid).hasChild(data.val()) && data.hasChildren([$k, auth['x'], 'a' + 1])", &[]);
}

#[test]
fn broken_expressions_are_told_where_they_break() {
    read("", "1: syntax error: the expression ends here");
    read("true &&", "8: syntax error: the expression ends here");
    read("true true", "6: missing ; before statement: found 'true'");
    read("var a = 8", "5: missing ; before statement: found 'a'");
    read("true; true", "7: syntax error: a rule is a single expression");
    read("(true", "6: missing ) in parenthetical: the expression ends here");
    read("data.child('a'", "15: missing ) after argument list: the expression ends here");
    read("data.hasChildren(['a')", "22: missing ] after element list: found ')'");
    read("auth['a' == 1", "14: missing ] in index expression: the expression ends here");
    read("auth. == 1", "7: missing name after . operator: found '=='");
    read("true ? true", "12: missing : in conditional expression: the expression ends here");
    read("auth.x == 'a", "11: unterminated string literal");
    read("auth.x == 'a\nb'", "11: unterminated string literal");
    read("auth.x == 'a\\q'", "13: syntax error: this escape is not known");
    read("$k.matches(/a", "12: unterminated regular expression literal");
    read("true /* x", "6: unterminated comment");
    read("1a == 1", "1: number format error");
    read("{} == 1", "1: syntax error: found '{'");
    read("a `b`", "3: illegal character");
    for (expression, column, operator) in [
        ("root = 5", 6, "="),
        ("2 ** 2 == 4", 3, "**"),
        ("(1 & 1) == 1", 4, "&"),
        ("(1 | 1) == 1", 4, "|"),
        ("+1 == 1", 1, "+"),
        ("~1 == 1", 1, "~"),
        ("++now == 1", 1, "++"),
        ("now-- == 1", 4, "--"),
        ("auth?.uid == 1", 5, "?."),
        ("typeof auth == 'x'", 1, "typeof"),
        ("'a' in auth", 5, "in"),
    ] {
        read(expression, &format!("{column}: Rule expressions may not contain {operator} operator"));
    }
}

#[test]
fn all_of_the_grammar_is_taken() {
    for good in [
        "true;",
        " /* a */ true // b",
        "auth.x == 'it\\'s' || auth.x == \"\\\"\\\\\\/\\b\\f\\n\\r\\t\\v\\0\\x41\\u0041\"",
        "1. + .5 + 1e3 + 1E-3 + 1.5e+3 > 0",
        "now > 0?.5 > 0:true",
        "true ? false : true ? false : true",
        "!!(auth === null) && - -1 == 1",
        "auth.true == auth.new && auth.$x == auth._y",
        "root['child']('a')['exists']()",
        "now / 2 / 3 > 1 && $k.matches(/a/) && 4 / 2 == (2) / 1",
        "('a' + 1).length == 2 && (true ? data : root).child('x').exists()",
    ] {
        check(".read", good, &[]);
    }
}

#[test]
fn regular_expressions_are_judged_where_they_break() {
    read("$k.matches(/a/g)", "12: Unsupported regular expression flags.");
    read("$k.matches(/a/ii)", "12: Unsupported regular expression flags.");
    read("$k.matches(/ab(^c)/)", "16: Illegal regular expression. ^ may only be its first character, and $ its last.");
    read("auth.x == /**/ 1 && $k.matches(/a**/)", "35: Illegal regular expression. There is nothing here to repeat.");
}

#[test]
fn place_of_a_problem_is_found_behind_escapes_and_line_breaks() {
    let refused = |source: &str| Rules::parse(source).unwrap_err().to_string();
    assert_eq!(
        refused("{\n  \"rules\": {\n    \".read\": \"tr\",\n  \".write\":true}}"),
        "3:15: Unknown variable 'tr'.\n"
    );
    let source = "{\"rules\":{\".read\":\"auth.x == '\\u00e9\\ud83d\\ude00\\\\'' &&\n\t\\n tr || é\"}}";
    assert_eq!(refused(source), "2:5: Unknown variable 'tr'.\n2:11: Unknown variable 'é'.\n");
    let both = "{\"rules\":{\".read\":\"a\",\"b\":{\".write\":\"b\",\".x\":1}}}";
    assert!(refused(both).starts_with("1:20: Unknown variable 'a'.\n1:38: Unknown variable 'b'.\n1:41: Key names"));
}

#[test]
fn names_are_bound_below_their_node_only() {
    let parse = |rules: &str| Rules::parse(&format!("{{\"rules\":{rules}}}"));
    assert!(parse(r#"{"$a":{"x":{"$b":{".read":"$a == $b"}}}}"#).is_ok());
    assert!(parse(r#"{"$a":{},"x":{".read":"$a == 'x'"}}"#).is_err());
    assert!(parse(r#"{".read":"$a == 'x'","$a":{}}"#).is_err());
}
