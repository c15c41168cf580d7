//! `key create`, `list`, `revoke`: administrators' keys, in the data directory of a server that may be running.

use std::fmt::Display;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};

use super::arguments::{Key, KeyFile};
use super::output::{Paint, complain, complain_json, note, say};
use super::{FAILED, OK};
use crate::base::{Clock, Millis};
use crate::engine::AdminKey;
use crate::server::key_file::edit;
use crate::server::trust::{KEYS_FILE, admin_keys};

/// Runs a `key` command.
pub fn run(order: Key) -> ExitCode {
    let now = Clock::system().now();
    match order {
        Key::Create { label, expires, file } => create(&label, expires, &file, now),
        Key::List { file } => list(&file, now),
        Key::Revoke { id, file } => revoke(&id, &file, now),
    }
}

/// The key goes to standard output, and nothing else does, so that a script can take it.
fn create(label: &str, expires: Option<Duration>, file: &KeyFile, now: Millis) -> ExitCode {
    let expires_at_ms = expires.map(|valid| now.saturating_add(i64::try_from(valid.as_millis()).unwrap_or(i64::MAX)));
    let (text, key) = AdminKey::generate(label, now, expires_at_ms);
    if let Err(error) = edit(&file.data, |keys| keys.push(key.clone())) {
        return refuse(file, &error);
    }
    if file.json {
        let mut answer = told(&key);
        if let Some(members) = answer.as_object_mut() {
            members.insert("key".to_owned(), text.expose().into());
        }
        return say(&format!("{answer}\n"));
    }
    let path = file.data.join(KEYS_FILE);
    note(&format!(
        "the key {} follows. It is not shown again: {} holds only its fingerprint.\n\
         Send it as `Authorization: Bearer KEY`. A running server takes it within seconds.",
        key.id,
        path.display()
    ));
    say(&format!("{}\n", text.expose()))
}

fn list(file: &KeyFile, now: Millis) -> ExitCode {
    let keys = match admin_keys(&file.data.join(KEYS_FILE)) {
        Ok(keys) => keys,
        Err(error) => return refuse(file, &error),
    };
    if file.json {
        return say(&format!("{}\n", Value::Array(keys.iter().map(told).collect())));
    }
    if keys.is_empty() {
        note("there is no key yet; `beaconfire key create` makes one");
        return ExitCode::from(OK);
    }
    let paint = Paint::for_stdout();
    let mut out = paint.quiet(&row("ID", "CREATED", "STATE", "LABEL"));
    for key in &keys {
        let line = row(&key.id, &ago(now, key.created_at_ms), &state(key, now), &key.label);
        out += &if is_valid(key, now) { line } else { paint.quiet(&line) };
    }
    say(&out)
}

fn row(id: &str, created: &str, state: &str, label: &str) -> String {
    format!("{}\n", format!("{id:<12}{created:<16}{state:<22}{label}").trim_end())
}

fn revoke(id: &str, file: &KeyFile, now: Millis) -> ExitCode {
    let revoked = edit(&file.data, |keys| {
        let key = keys.iter_mut().find(|key| key.id == id)?;
        key.revoke(now);
        Some(key.clone())
    });
    match revoked {
        Ok(Some(key)) if file.json => say(&format!("{}\n", told(&key))),
        Ok(Some(key)) => {
            note(&format!("the key {} is revoked. A running server refuses it within seconds.", key.id));
            ExitCode::from(OK)
        }
        Ok(None) => {
            refuse(file, &format!("there is no key {id} in {}; see `beaconfire key list`", file.data.display()))
        }
        Err(error) => refuse(file, &error),
    }
}

fn refuse(file: &KeyFile, error: &dyn Display) -> ExitCode {
    if file.json { complain_json(error, FAILED) } else { complain(error, FAILED) }
}

/// What programs are told of a key. Times are in ms since 1970.
fn told(key: &AdminKey) -> Value {
    json!({
        "id": key.id,
        "label": key.label,
        "created_at_ms": key.created_at_ms,
        "expires_at_ms": key.expires_at_ms,
        "revoked_at_ms": key.revoked_at_ms,
    })
}

fn is_valid(key: &AdminKey, now: Millis) -> bool {
    !key.is_revoked() && key.expires_at_ms.is_none_or(|end| now < end)
}

fn state(key: &AdminKey, now: Millis) -> String {
    match (key.revoked_at_ms, key.expires_at_ms) {
        (Some(end), _) => format!("revoked {}", ago(now, end)),
        (None, None) => "valid".to_owned(),
        (None, Some(end)) if end <= now => format!("expired {}", ago(now, end)),
        (None, Some(end)) => format!("valid for {}", span(end - now)),
    }
}

fn ago(now: Millis, then: Millis) -> String {
    format!("{} ago", span(now - then))
}

/// In the largest unit of which there is one.
fn span(ms: Millis) -> String {
    const UNITS: [(Millis, &str); 3] = [(86_400_000, "days"), (3_600_000, "hours"), (60_000, "minutes")];
    let unit = UNITS.iter().find(|(unit, _)| ms >= *unit);
    match unit.map(|(unit, name)| (ms / unit, *name)) {
        Some((1, name)) => format!("1 {}", name.trim_end_matches('s')),
        Some((count, name)) => format!("{count} {name}"),
        None => "a minute".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_of_a_key_is_told_in_words() {
        const DAY: Millis = 86_400_000;
        let mut key = AdminKey::generate("", 0, None).1;
        assert_eq!(state(&key, 5), "valid");
        key.expires_at_ms = Some(3 * DAY);
        assert_eq!(state(&key, DAY), "valid for 2 days");
        assert_eq!(state(&key, 3 * DAY), "expired a minute ago");
        assert!(!is_valid(&key, 3 * DAY));
        key.revoke(DAY);
        assert_eq!(state(&key, DAY + 7_200_000), "revoked 2 hours ago");
        assert_eq!(span(DAY), "1 day");
    }
}
