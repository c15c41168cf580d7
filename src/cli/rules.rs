//! `rules check` and `rules test`: a rules file judged without a server.

use std::fmt::Write;
use std::path::Path as FilePath;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::client::ClientError;
use super::output::{Paint, complain, complain_json, say};
use super::{FAILED, OK, USAGE};
use crate::base::Clock;
use crate::engine::{
    Database, DatabaseError, Durability, Engine, EngineConfig, Explained, Keyring, Powers, Rules, RulesError,
    StoreOptions, WriteRequest,
};
use crate::model::{Draft, Identity, Path, Write as DataWrite, WriteOp};
use crate::protocols::admin::{Members, Question};
use crate::server::data_dir::DataDir;

/// A file of cases: data, and what is asked of the rules about it. Every case finds the data as it stands here.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    data: Option<Box<RawValue>>,
    cases: Vec<Members>,
}

/// A question, and what is to come out.
struct Case {
    name: String,
    question: Question,
    allow: bool,
}

/// One that came out otherwise.
struct Failed {
    name: String,
    explained: Explained,
}

/// Prints what is wrong with a rules file.
pub fn check(file: &FilePath, json: bool) -> ExitCode {
    let text = match read(file) {
        Ok(text) => text,
        Err(error) if json => return complain_json(&error, USAGE),
        Err(error) => return complain(&error, USAGE),
    };
    match Rules::parse_bytes(&text) {
        Err(error) => tell_problems(file, &error, json),
        Ok(_) if json => say(&format!("{}\n", json!({ "problems": [] }))),
        Ok(_) => say(&format!("{}: {}\n", file.display(), Paint::for_stdout().good("no mistakes"))),
    }
}

fn tell_problems(file: &FilePath, error: &RulesError, json: bool) -> ExitCode {
    let problems = error.problems.iter();
    let text = if json {
        let problem = problems.map(|at| json!({ "line": at.line, "column": at.column, "text": at.text }));
        format!("{}\n", json!({ "problems": problem.collect::<Vec<_>>() }))
    } else {
        let file = file.display();
        problems.fold(String::new(), |all, at| all + &format!("{file}:{}:{}: {}\n", at.line, at.column, at.text))
    };
    say(&text);
    ExitCode::from(FAILED)
}

/// Asks a rules file all questions of a file of cases, and prints those that come out otherwise.
pub async fn test(file: &FilePath, cases: &FilePath, json: bool) -> Result<ExitCode, ClientError> {
    let rules = match Rules::parse_bytes(&read(file)?) {
        Ok(rules) => rules,
        Err(error) => return Ok(tell_problems(file, &error, json)),
    };
    let (data, cases) = parse(&read(cases)?)
        .map_err(|wrong| ClientError::Usage(format!("{} has no cases: {wrong}", cases.display())))?;
    let count = cases.len();
    let failed = ask_all(rules, data, cases).await.map_err(ClientError::Broken)?;
    let text = if json { as_json(count, &failed) } else { as_text(file, count, &failed) };
    say(&text);
    Ok(ExitCode::from(if failed.is_empty() { OK } else { FAILED }))
}

fn read(file: &FilePath) -> Result<Vec<u8>, ClientError> {
    std::fs::read(file).map_err(|error| ClientError::Usage(format!("cannot read {}: {error}", file.display())))
}

/// The data and the cases of a file.
fn parse(text: &[u8]) -> Result<(Option<Draft>, Vec<Case>), String> {
    let file: Cases = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    let data = file.data.map(|data| Draft::parse(data.get().as_bytes(), 0)).transpose();
    let data = data.map_err(|error| format!("'data': {error}"))?;
    let cases = (1..)
        .zip(file.cases)
        .map(|(number, members)| case(number, members).map_err(|wrong| format!("case {number}: {wrong}")));
    Ok((data, cases.collect::<Result<_, _>>()?))
}

fn case(number: usize, mut members: Members) -> Result<Case, String> {
    let name = members.remove("name").map(|name| serde_json::from_str(name.get()));
    let name = name.transpose().map_err(|_| "'name' must be a string")?;
    let allow = members.remove("allow").ok_or("'allow' must say true or false")?;
    let allow = serde_json::from_str(allow.get()).map_err(|_| "'allow' must be true or false")?;
    let question = Question::take(&mut members)?;
    match members.keys().next() {
        Some(unknown) => Err(format!("'{unknown}' is not known here")),
        None => Ok(Case { name: name.unwrap_or_else(|| format!("case {number}")), question, allow }),
    }
}

/// Those cases that come out otherwise, asked of an engine that is gone afterwards.
async fn ask_all(rules: Rules, data: Option<Draft>, cases: Vec<Case>) -> Result<Vec<Failed>, String> {
    let directory = DataDir::temporary().map_err(|error| error.to_string())?;
    let engine = Engine::new(EngineConfig {
        data: directory.path().to_owned(),
        store: StoreOptions { durability: Durability::Off, ..StoreOptions::default() },
        presence_grace: Duration::ZERO,
        clock: Clock::system(),
        keyring: Keyring::emulator(),
        powers: Powers::Emulator,
    });
    let database = engine.database("cases").await.map_err(|error: DatabaseError| error.to_string())?;
    let failed = ask(&database, rules, data, cases).await;
    engine.shutdown().await;
    failed
}

async fn ask(
    database: &Arc<Database>,
    rules: Rules,
    data: Option<Draft>,
    cases: Vec<Case>,
) -> Result<Vec<Failed>, String> {
    if let Some(data) = data {
        let write = DataWrite { path: Path::root(), op: WriteOp::Set(data) };
        let request = WriteRequest { who: Identity::Admin, write, if_match: None, rows_max: None, want_etag: false };
        database.write(request).await.map_err(|error| error.to_string())?;
    }
    database.set_rules(Arc::new(rules)).await.map_err(|error| error.to_string())?;
    let snapshot = database.snapshot().map_err(|error| error.to_string())?;
    let mut failed = Vec::new();
    for Case { name, question, allow } in cases {
        let explained = question.ask(database, &snapshot).map_err(|error| error.to_string())?;
        if explained.allowed != allow {
            failed.push(Failed { name, explained });
        }
    }
    Ok(failed)
}

fn as_json(count: usize, failed: &[Failed]) -> String {
    let told = failed.iter().map(
        |Failed { name, explained }| json!({ "name": name, "allow": !explained.allowed, "explanation": explained }),
    );
    format!("{}\n", json!({ "cases": count, "failed": told.collect::<Vec<Value>>() }))
}

fn as_text(file: &FilePath, count: usize, failed: &[Failed]) -> String {
    let (paint, file) = (Paint::for_stdout(), file.display());
    let mut out = String::new();
    for Failed { name, explained } in failed {
        let (expected, came) = if explained.allowed { ("denied", "allowed") } else { ("allowed", "denied") };
        let at = explained.decided_by().map(|at| format!("{file}:{}:{}: ", at.line, at.column)).unwrap_or_default();
        let name = paint.bad(&format!("failed: {name}"));
        let _ = writeln!(out, "{name}\n  expected to be {expected}, but it is {came}\n  {at}{}", explained.because);
    }
    let summary = match failed.len() {
        0 => paint.good(&format!("all {count} cases came out as they say")),
        few => paint.bad(&format!("{few} of {count} cases came out otherwise than they say")),
    };
    let _ = writeln!(out, "{summary}");
    out
}
