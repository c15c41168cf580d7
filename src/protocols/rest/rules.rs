//! `/.settings/rules.json`: the rules of a database as a file; and the indexes that queries need from it.
//!
//! Source: Firebase REST reference 6.6, 10.1.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

use super::error::Failure;
use super::reply::Answer;
use super::request::Print;
use super::selection::Selection;
use super::value_events::relative;
use super::write::{BODY_INLINE_MAX, lay_out, run};
use crate::engine::{Database, Rules};
use crate::model::{Index, Path};

/// The rules as they were uploaded, or as plain JSON in the layout of `strict`.
pub fn text(database: &Database, strict: Option<Print>) -> Answer {
    let rules = database.rules();
    Answer::text(match strict {
        None => rules.text().as_bytes().to_vec(),
        Some(print) => lay_out(print, |out| out.extend_from_slice(rules.strict_text().as_bytes())),
    })
}

/// Takes the file in `body` as the rules from now on; with `dry_run` it is only checked.
///
/// # Errors
/// 400 with every problem of the file, 503 if it could not be stored. The old rules stay then.
pub async fn replace(database: &Arc<Database>, body: Bytes, dry_run: bool) -> Result<Answer, Failure> {
    let is_large = body.len() > BODY_INLINE_MAX;
    let rules = run(is_large, move || Rules::parse_bytes(&body)).await?;
    let rules = rules.map_err(|error| Failure::invalid(error.to_string()))?;
    if !dry_run {
        database.set_rules(Arc::new(rules)).await?;
    }
    let text = lay_out(Print::Pretty, |out| out.extend_from_slice(br#"{"status":"ok"}"#));
    Ok(Answer::text(text))
}

/// Refuses a query whose order the rules have no index for.
///
/// # Errors
/// 400 that says what to add.
pub fn check_index(database: &Database, path: &Path, selection: &Selection) -> Result<(), Failure> {
    match &selection.query {
        Some(query) if !database.is_indexed(path, &query.index) => Err(no_index(path, &query.index)),
        _ => Ok(()),
    }
}

fn no_index(path: &Path, index: &Index) -> Failure {
    let name = match index {
        Index::Child(below) => relative(below),
        Index::Value | Index::Key | Index::Priority => ".value".to_owned(),
    };
    let (name, path) = (Value::from(name), Value::from(path.to_string()));
    Failure::invalid(format!("Index not defined, add \".indexOn\": {name}, for path {path}, to the rules"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_index_is_told_as_it_must_be_added() {
        let text = |path: &str, index| no_index(&Path::parse(path).unwrap(), &index).text.into_owned();
        assert_eq!(
            text("dinosaurs", Index::Child(Path::parse("height").unwrap())),
            r#"Index not defined, add ".indexOn": "height", for path "/dinosaurs", to the rules"#
        );
        assert_eq!(
            text("a/\"b", Index::Child(Path::parse("ratings/pos").unwrap())),
            r#"Index not defined, add ".indexOn": "ratings/pos", for path "/a/\"b", to the rules"#
        );
        assert_eq!(
            text("/", Index::Value),
            r#"Index not defined, add ".indexOn": ".value", for path "/", to the rules"#
        );
    }
}
