//! Which indexes there are, and how far each is built.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension};

use super::super::StoreError;
use super::super::record::parse_path;
use super::entry::entries_below;
use crate::model::{Index, IndexRule, Key, Path, Segment};

/// The id of the order by priority. It has no row.
pub const PRIORITY: u32 = 0;
/// A wildcard as text. No key holds this character.
const ANY: &str = "$";
const VALUE: &str = ".value";

/// An index that the rules ask for, or asked for.
#[derive(Clone, Debug)]
pub struct Spec {
    pub id: u32,
    pub rule: IndexRule,
    pub state: State,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Children whose row keys are at or behind the cursor may be without their entries. No entry is ever wrong.
    Building { cursor: Vec<u8> },
    /// Every child has its entry.
    Ready,
    /// The rules do not ask for it any more; its entries are wrong and wait to be deleted.
    Gone,
}

/// What the writer knows of the indexes. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Indexes {
    pub specs: Arc<Vec<Spec>>,
    /// Whether some node has entries by priority, or had some since the file was opened.
    pub has_priorities: bool,
}

impl Spec {
    /// Whether changes must keep it right.
    pub fn is_live(&self) -> bool {
        self.state != State::Gone
    }

    /// Whether anything is left to do but keeping it right.
    pub fn is_settled(&self) -> bool {
        self.state == State::Ready
    }

    /// Writes the state into its row.
    pub fn save(&self, conn: &Connection) -> Result<(), StoreError> {
        let (state, cursor) = match &self.state {
            State::Building { cursor } => ("building", cursor.as_slice()),
            State::Ready => ("ready", [].as_slice()),
            State::Gone => ("gone", [].as_slice()),
        };
        let sql = "REPLACE INTO index_spec (id, pattern, index_on, state, cursor) VALUES (?1, ?2, ?3, ?4, ?5)";
        let (pattern, index_on) = (pattern_text(&self.rule.pattern), index_text(&self.rule.index));
        conn.prepare_cached(sql)?.execute((self.id, pattern, index_on, state, cursor))?;
        Ok(())
    }
}

impl Indexes {
    pub fn load(conn: &Connection) -> Result<Self, StoreError> {
        let mut statement = conn.prepare("SELECT id, pattern, index_on, state, cursor FROM index_spec ORDER BY id")?;
        let mut rows = statement.query([])?;
        let mut specs = Vec::new();
        while let Some(row) = rows.next()? {
            let pattern = parse_pattern(&row.get::<_, String>(1)?);
            let index = parse_index(&row.get::<_, String>(2)?);
            let state = match row.get::<_, String>(3)?.as_str() {
                "building" => State::Building { cursor: row.get(4)? },
                "ready" => State::Ready,
                "gone" => State::Gone,
                _ => return Err(StoreError::damaged("an index in an unknown state")),
            };
            specs.push(Spec { id: row.get(0)?, rule: IndexRule { pattern, index }, state });
        }
        let has_priorities =
            conn.prepare("SELECT 1 FROM entry WHERE key < ?1 LIMIT 1")?.exists([entries_below(PRIORITY + 1, &[])])?;
        Ok(Self { specs: Arc::new(specs), has_priorities })
    }

    /// Whether nothing is left to be built or deleted.
    pub fn is_settled(&self) -> bool {
        self.specs.iter().all(Spec::is_settled)
    }

    /// Begins the indexes of `wanted` that are not there, and gives up those that are not in it. The orders by key and
    /// by priority need none.
    pub fn set(&mut self, conn: &Connection, wanted: &[IndexRule]) -> Result<(), StoreError> {
        let specs = Arc::make_mut(&mut self.specs);
        for spec in specs.iter_mut().filter(|spec| spec.is_live() && !wanted.contains(&spec.rule)) {
            spec.state = State::Gone;
            spec.save(conn)?;
        }
        for rule in wanted.iter().filter(|rule| matches!(rule.index, Index::Value | Index::Child(_))) {
            if specs.iter().any(|spec| spec.is_live() && spec.rule == *rule) {
                continue;
            }
            // An id comes back only when its row is gone, and with it all its entries.
            let last = specs.iter().map(|spec| spec.id).max().unwrap_or(PRIORITY);
            let id = last.checked_add(1).ok_or_else(|| StoreError::misuse("too many indexes"))?;
            let spec = Spec { id, rule: rule.clone(), state: State::Building { cursor: Vec::new() } };
            spec.save(conn)?;
            specs.push(spec);
        }
        Ok(())
    }
}

/// The index that can tell the order of the children of `path` by `index`, if one is ready.
pub fn ready(conn: &Connection, path: &Path, index: &Index) -> Result<Option<u32>, StoreError> {
    let sql = "SELECT id, pattern FROM index_spec WHERE index_on = ?1 AND state = 'ready'";
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query([index_text(index)])?;
    while let Some(row) = rows.next()? {
        let pattern = parse_pattern(&row.get::<_, String>(1)?);
        if (IndexRule { pattern, index: Index::Value }).covers(path) {
            return Ok(row.get(0)?);
        }
    }
    Ok(None)
}

/// The text of the rules, as it was last set.
pub fn rules_text(conn: &Connection) -> Result<Option<String>, StoreError> {
    let mut statement = conn.prepare("SELECT value FROM meta WHERE name = 'rules'")?;
    Ok(statement.query_row([], |row| row.get(0)).optional()?)
}

pub fn set_rules_text(conn: &Connection, text: &str) -> Result<(), StoreError> {
    conn.prepare("REPLACE INTO meta (name, value) VALUES ('rules', ?1)")?.execute([text])?;
    Ok(())
}

fn pattern_text(pattern: &[Segment]) -> String {
    let segments = pattern.iter().map(|segment| match segment {
        Segment::Key(key) => key.as_str(),
        Segment::Any => ANY,
    });
    segments.flat_map(|segment| ["/", segment]).collect()
}

fn parse_pattern(text: &str) -> Vec<Segment> {
    let segments = text.split('/').filter(|segment| !segment.is_empty());
    segments.map(|segment| if segment == ANY { Segment::Any } else { Segment::Key(Key::trusted(segment)) }).collect()
}

fn index_text(index: &Index) -> String {
    match index {
        Index::Child(path) => path.to_string(),
        Index::Value | Index::Priority | Index::Key => VALUE.to_owned(),
    }
}

fn parse_index(text: &str) -> Index {
    if text == VALUE { Index::Value } else { Index::Child(parse_path(text)) }
}
