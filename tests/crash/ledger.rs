//! What was sent and what was acknowledged, and whether the stored tree agrees.
//!
//! A write whose answer never came may or may not be there; from then on it counts as whatever was found.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

/// A push: which writer, and its how manieth write.
pub type Push = (u64, u64);

/// The place of a numbered value that one writer writes, one write at a time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place {
    /// The value that must be there; `None`: nothing.
    pub settled: Option<u64>,
    /// The value that was sent last, and may be there instead while it is not acknowledged.
    pub sent: Option<u64>,
}

/// How often the armed write of a session must have run, once the session is gone.
#[derive(Clone, Copy, Debug)]
pub struct Armed {
    pub runs_min: u64,
    pub runs_max: u64,
}

/// What a reader saw: event ids (none for first events) and keys, in the order of arrival.
pub type Seen = Vec<(Option<String>, String)>;

/// All of one bucket, and totals.
#[derive(Default)]
pub struct Ledger {
    pub acks: u64,
    /// Sent, acknowledged or not.
    pub pushes_sent: BTreeSet<Push>,
    /// By key: acknowledged.
    pub pushes: BTreeMap<String, Push>,
    /// By path below the bucket.
    pub places: BTreeMap<String, Place>,
    /// By session number.
    pub armed: BTreeMap<u64, Armed>,
    pub sessions: u64,
    /// Of readers that have seen the last push of the bucket, by reader.
    pub seen: HashMap<usize, Seen>,
    pub resumptions: u64,
    pub failures: Vec<String>,
    events: usize,
}

impl Ledger {
    pub fn next_session(&mut self) -> u64 {
        self.sessions += 1;
        self.sessions
    }

    pub fn send(&mut self, path: &str, value: Option<u64>) {
        self.places.entry(path.to_owned()).or_default().sent = value;
    }

    pub fn acknowledge(&mut self, path: &str) {
        self.acks += 1;
        let place = self.places.entry(path.to_owned()).or_default();
        place.settled = place.sent;
    }

    /// Compares with the stored bucket after a restart.
    pub fn compare(&mut self, stored: &Value) -> Result<(), String> {
        let pushes = stored_pushes(stored)?;
        for (key, push) in &self.pushes {
            if pushes.get(key) != Some(push) {
                return Err(format!("push {key} {push:?} was acknowledged, stored is {:?}", pushes.get(key)));
            }
        }
        let distinct: BTreeSet<&Push> = pushes.values().collect();
        if distinct.len() != pushes.len() {
            return Err("one push was stored twice".to_owned());
        }
        if let Some(push) = distinct.into_iter().find(|push| !self.pushes_sent.contains(push)) {
            return Err(format!("push {push:?} was never sent"));
        }
        self.pushes = pushes;
        self.compare_places(stored)?;
        self.compare_armed(stored)
    }

    fn compare_places(&mut self, stored: &Value) -> Result<(), String> {
        for (path, place) in &mut self.places {
            let found = place_in(stored, path)?;
            if found != place.settled && found != place.sent {
                return Err(format!("{path}: {found:?} is stored, known is {place:?}"));
            }
            *place = Place { settled: found, sent: found };
        }
        Ok(())
    }

    fn compare_armed(&mut self, stored: &Value) -> Result<(), String> {
        for (session, armed) in &mut self.armed {
            let runs = stored.pointer(&format!("/armed/s{session}")).map_or(Some(0), Value::as_u64);
            let runs = runs.ok_or_else(|| format!("armed write {session}: not a number"))?;
            if runs < armed.runs_min || runs > armed.runs_max {
                return Err(format!("armed write {session} ran {runs} times, wanted is {armed:?}"));
            }
            // Whatever was open is decided: a later restart must not run it again.
            *armed = Armed { runs_min: runs, runs_max: runs };
        }
        Ok(())
    }

    /// Compares what the readers saw with the stored bucket.
    pub fn compare_seen(&mut self, stored: &Value) -> Result<(), String> {
        let pushes = stored_pushes(stored)?;
        let mut log: BTreeMap<u64, &String> = BTreeMap::new();
        for (reader, seen) in &self.seen {
            self.events += seen.len();
            let keys: BTreeSet<&String> = seen.iter().map(|(_, key)| key).collect();
            if keys.len() != seen.len() {
                return Err(format!("reader {reader} saw a push twice"));
            }
            if let Some(missed) = pushes.keys().find(|key| !keys.contains(key)) {
                return Err(format!("reader {reader} never saw {missed}"));
            }
            if let Some(made_up) = keys.into_iter().find(|key| !pushes.contains_key(*key)) {
                return Err(format!("reader {reader} saw {made_up}, which is not stored"));
            }
            check_order(seen, &pushes).map_err(|text| format!("reader {reader}: {text}"))?;
            for (id, key) in seen {
                let Some(id) = id else { continue };
                if log.insert(sequence(id)?, key).is_some_and(|other| other != key) {
                    return Err(format!("readers disagree about event {id}"));
                }
            }
        }
        Ok(())
    }

    /// The next bucket begins with nothing.
    pub fn forget_bucket(&mut self) {
        self.pushes_sent.clear();
        self.pushes.clear();
        self.places.clear();
        self.armed.clear();
        self.seen.clear();
    }

    pub fn summary(&self) -> String {
        let Self { acks, sessions, resumptions, events, .. } = self;
        format!("{acks} acknowledged writes, {sessions} sessions, {resumptions} resumptions, {events} events compared")
    }
}

/// Ids rise; the pushes of one writer come in the order in which it sent them.
fn check_order(seen: &Seen, pushes: &BTreeMap<String, Push>) -> Result<(), String> {
    let mut newest_id = 0;
    let mut newest_push: HashMap<u64, u64> = HashMap::new();
    for (id, key) in seen {
        if let Some(id) = id {
            let sequence = sequence(id)?;
            if sequence <= newest_id {
                return Err(format!("event {id} came after event {newest_id}"));
            }
            newest_id = sequence;
        }
        let (writer, n) = pushes.get(key).copied().unwrap_or_default();
        let newest = newest_push.insert(writer, n).unwrap_or(0);
        if n <= newest {
            return Err(format!("push {n} of writer {writer} came after its push {newest}"));
        }
    }
    Ok(())
}

/// The sequence in an event id `<epoch>-<sequence>`: a push is the only event of its record.
fn sequence(id: &str) -> Result<u64, String> {
    let sequence = id.split_once('-').and_then(|(_, sequence)| sequence.parse().ok());
    sequence.ok_or_else(|| format!("not the id of a whole record: {id}"))
}

fn stored_pushes(stored: &Value) -> Result<BTreeMap<String, Push>, String> {
    let Some(pushes) = stored.pointer("/push").and_then(Value::as_object) else { return Ok(BTreeMap::new()) };
    let parse = |(key, push): (&String, &Value)| {
        let number = |name: &str| push.pointer(name).and_then(Value::as_u64);
        let push = number("/w").zip(number("/n")).ok_or_else(|| format!("half a push: {key} {push}"))?;
        Ok((key.clone(), push))
    };
    pushes.iter().map(parse).collect()
}

/// The number at `path`. Below `pair` it stands twice, written by one update.
fn place_in(stored: &Value, path: &str) -> Result<Option<u64>, String> {
    let number = |path: &str| stored.pointer(path).and_then(Value::as_u64);
    if !path.starts_with("/pair/") {
        return Ok(number(path));
    }
    let (one, other) = (number(&format!("{path}/a")), number(&format!("{path}/b/c")));
    if one == other { Ok(one) } else { Err(format!("{path}: half an update, {one:?} and {other:?}")) }
}
