//! What Firebase's tools ask for beside data and rules: `/.settings/*` and `/.inspect/*`.
//!
//! Source: Firebase REST reference 10.

use serde_json::{Value, json};

use super::error::Failure;
use super::params::WRITE_SIZE_LIMIT_DEFAULT;
use super::request::Verb;

/// The answer of `/.settings/<name>.json`.
///
/// # Errors
/// 400 for what cannot be changed yet, 404 and 405 for what is not there.
pub fn settings(name: &str, verb: Verb) -> Result<String, Failure> {
    let text = match name {
        "defaultWriteSizeLimit" => Value::from(WRITE_SIZE_LIMIT_DEFAULT).to_string(),
        "strictTriggerValidation" => json!({ "value": true }).to_string(),
        _ if verb == Verb::Get => "null".to_owned(),
        _ => return Err(Failure::NOT_FOUND),
    };
    match verb {
        Verb::Get => Ok(text),
        Verb::Put => Err(Failure::invalid(format!("{name} cannot be changed"))),
        _ => Err(Failure::METHOD),
    }
}

/// The answer of `/.inspect/<name>.json`; `databases`: the names of all that are known.
///
/// # Errors
/// 404 for any other name.
pub fn inspect(name: &str, databases: impl FnOnce() -> Vec<String>) -> Result<String, Failure> {
    if name != "databases" {
        return Err(Failure::NOT_FOUND);
    }
    let names = databases().into_iter().map(|name| json!({ "name": name }));
    Ok(Value::Array(names.collect()).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_have_fixed_answers_and_refuse_changes() {
        let table = [
            ("defaultWriteSizeLimit", Verb::Get, Ok("\"large\"")),
            ("defaultWriteSizeLimit", Verb::Put, Err(400)),
            ("defaultWriteSizeLimit", Verb::Delete, Err(405)),
            ("strictTriggerValidation", Verb::Get, Ok(r#"{"value":true}"#)),
            ("owners", Verb::Get, Ok("null")),
            ("owners", Verb::Put, Err(404)),
        ];
        for (name, verb, expected) in table {
            let answer = settings(name, verb).map_err(|failure| failure.status.as_u16());
            assert_eq!(answer, expected.map(str::to_owned), "{name} {verb:?}");
        }
    }

    #[test]
    fn inspect_lists_databases() {
        let names = || vec!["a".to_owned(), "b".to_owned()];
        assert_eq!(inspect("databases", names).unwrap(), r#"[{"name":"a"},{"name":"b"}]"#);
        assert_eq!(inspect("coverage", Vec::new), Err(Failure::NOT_FOUND));
    }
}
