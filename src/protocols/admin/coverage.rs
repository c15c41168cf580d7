//! How often rules were evaluated, as JSON for programs and as a page for people. Pure.
//!
//! Source: Firebase REST reference 10.6.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::engine::{Counted, PartResult, RuleCoverage};

const BEGINS: &str = "Nothing was counted yet: counting begins now. Make some requests, and come back.";

/// `{"rules": source, "report": [{line, col, length, expression, values: [{value, count}]}]}`, whole rules after their
/// parts; with a `note` where counting begins only now. A value that is an error is its text.
pub fn json(counted: &Counted) -> Value {
    let parts = counted.coverage.rules.iter().flat_map(|rule| &rule.parts);
    let report = parts.map(|part| {
        let values = part.values.iter().map(|value| json!({ "value": shown(&value.result), "count": value.count }));
        json!({
            "line": part.position.line,
            "col": part.position.column,
            "length": part.length,
            "expression": part.text,
            "values": values.collect::<Vec<_>>(),
        })
    });
    let mut answer = json!({ "rules": counted.source, "report": report.collect::<Vec<_>>() });
    if let Some(members) = answer.as_object_mut().filter(|_| counted.begins) {
        members.insert("note".to_owned(), BEGINS.into());
    }
    answer
}

/// The rules file with what each rule came to beside its line, and below that what its parts came to.
pub fn page(database: &str, counted: &Counted) -> String {
    let rules = &counted.coverage.rules;
    let asked = rules.iter().filter(|rule| count(rule) > 0).count();
    let mut lines = String::new();
    // They come in the order of the file.
    let mut rest = rules.iter().peekable();
    for (number, line) in (1..).zip(counted.source.lines()) {
        let here: Vec<&RuleCoverage> =
            std::iter::from_fn(|| rest.next_if(|rule| rule.position.line <= number)).collect();
        let class = match here.iter().map(|rule| count(rule)).min() {
            None => "",
            Some(0) => " class=\"never\"",
            Some(_) => " class=\"asked\"",
        };
        let line = escaped(line);
        let _ = write!(lines, "<tr{class}><td class=\"number\">{number}</td><td class=\"source\"><pre>{line}</pre>");
        here.iter().filter(|rule| count(rule) > 0).for_each(|rule| write_parts(rule, &mut lines));
        let counts: Vec<String> = here.iter().map(|rule| tally(rule)).collect();
        let _ = writeln!(lines, "</td><td class=\"count\">{}</td></tr>", counts.join("<br>"));
    }
    let note = if counted.begins { format!("<p class=\"note\">{BEGINS}</p>") } else { String::new() };
    let database = escaped(database);
    let many = rules.len();
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>Rules of {database}: coverage</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <h1>Rules of {database}</h1>\n\
         <p>{asked} of {many} expressions were evaluated since the rules were set, or since counting began.</p>\n\
         {note}\n\
         <div class=\"file\"><table>\n{lines}</table></div>\n</main>\n</body>\n</html>\n"
    )
}

/// What the parts of a rule came to, to be unfolded.
fn write_parts(rule: &RuleCoverage, out: &mut String) {
    out.push_str("<details><summary>parts</summary><table>");
    for part in &rule.parts {
        let text = escaped(&part.text);
        let values =
            part.values.iter().map(|value| format!("{} \u{d7} {}", value.count, escaped(shown(&value.result))));
        let values = if part.count == 0 { "never".to_owned() } else { values.collect::<Vec<_>>().join("<br>") };
        let _ = write!(out, "<tr><td><code>{text}</code></td><td>{values}</td></tr>");
    }
    out.push_str("</table></details>");
}

/// How often a whole rule was evaluated.
fn count(rule: &RuleCoverage) -> u64 {
    rule.parts.last().map_or(0, |whole| whole.count)
}

/// `3 × true, 1 × false, 2 × error`.
fn tally(rule: &RuleCoverage) -> String {
    let Some(whole) = rule.parts.last().filter(|whole| whole.count > 0) else { return "never".to_owned() };
    let of = |wanted: &str| {
        let is_it = |result: &PartResult| matches!(result, PartResult::Value(value) if value == wanted);
        whole.values.iter().filter(|value| is_it(&value.result)).map(|value| value.count).sum::<u64>()
    };
    let (yes, no) = (of("true"), of("false"));
    let counts = [(yes, "true"), (no, "false"), (whole.count - yes - no, "error")];
    let told = counts.iter().filter(|(count, _)| *count > 0).map(|(count, name)| format!("{count} \u{d7} {name}"));
    told.collect::<Vec<_>>().join(", ")
}

fn shown(result: &PartResult) -> &str {
    match result {
        PartResult::Value(text) | PartResult::Error(text) => text,
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

const STYLE: &str = "
:root { color-scheme: light dark; --ink: #1d1a17; --quiet: #6d655c; --paper: #fbf8f4; --card: #fffdfa; --edge: #e5ddd3;
  --good: #1f7a4d; --good-soft: #e8f4ec; --bad: #b3261e; --bad-soft: #fbeae7; --fire: #c2410c; }
@media (prefers-color-scheme: dark) { :root { --ink: #f1ece6; --quiet: #a89f94; --paper: #191613; --card: #211d19;
  --edge: #3a342d; --good: #5fcf97; --good-soft: #1b2b22; --bad: #ff8b82; --bad-soft: #33201d; --fire: #fb8b4c; } }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.6 system-ui, sans-serif; }
main { max-width: 72rem; margin: 0 auto; padding: 2.5rem 1.25rem; }
h1 { margin: 0; font-size: 1.6rem; line-height: 1.25; }
p { margin: .5rem 0 1rem; color: var(--quiet); }
.note { padding: .6rem .9rem; border-left: 4px solid var(--fire); background: var(--card); color: var(--ink); }
.file { border: 1px solid var(--edge); border-radius: .5rem; background: var(--card); overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font: 14px/1.6 ui-monospace, monospace; }
td { padding: 0 .75rem; vertical-align: top; }
pre { margin: 0; font: inherit; white-space: pre-wrap; overflow-wrap: anywhere; tab-size: 2; }
.number { width: 1%; color: var(--quiet); text-align: right; user-select: none; }
.count { width: 1%; white-space: nowrap; }
.asked { background: var(--good-soft); } .asked > .count { color: var(--good); }
.never { background: var(--bad-soft); } .never > .count { color: var(--bad); }
details { margin: 0 0 .4rem; color: var(--quiet); font-size: 13px; }
summary { cursor: pointer; width: max-content; }
details td { padding: .1rem .75rem .1rem 0; border-top: 1px solid var(--edge); overflow-wrap: anywhere; }
details table { font-size: 13px; }
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Rules;

    fn counted(begins: bool) -> Counted {
        let source = "{\"rules\": {\n  \"<b>\": {\".read\": \"auth != null\"}\n}}";
        let coverage = Rules::parse(source).unwrap().coverage();
        Counted { source: source.to_owned(), coverage, begins }
    }

    #[test]
    fn report_has_the_shape_that_tools_read() {
        let answer = json(&counted(false));
        let part = |col: usize, length: usize, text: &str| {
            let values: [Value; 0] = [];
            json!({ "line": 2, "col": col, "length": length, "expression": text, "values": values })
        };
        assert_eq!(answer["report"], json!([part(21, 4, "auth"), part(21, 12, "auth != null")]));
        assert_eq!((&answer["rules"], answer.get("note")), (&Value::from(counted(false).source), None));
        assert_eq!(json(&counted(true))["note"], BEGINS);
    }

    #[test]
    fn page_shows_the_source_as_text() {
        let page = page("<x>", &counted(true));
        assert!(page.contains("Rules of &lt;x&gt;") && page.contains("&lt;b&gt;") && !page.contains("<b>"), "{page}");
        assert!(page.contains("<tr class=\"never\"><td class=\"number\">2</td>") && page.contains(BEGINS), "{page}");
        assert!(page.contains("0 of 1 expressions"));
    }
}
