//! The children of a node in the order of a query, read from its entries.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use rusqlite::Connection;

use super::super::children::{child_segment, sought};
use super::super::encode::{bad_key, end_of, path_key, scalar, segment_key};
use super::super::scan::{KEYS, KEYS_BACK, Next, ROW, key_of, scan};
use super::super::{StoreError, Tree};
use super::entry::{entries_below, key_range, range, split};
use super::priority::has_entries;
use super::rows::{BACKWARDS, FORWARDS};
use super::spec::{PRIORITY, ready};
use crate::model::order::{IndexValue, Place};
use crate::model::walk::ScalarRef;
use crate::model::{Index, Limit, Path, Query, Scalar};

/// Places of a run that are held at once, and bytes of their texts.
const RUN_PLACES_MAX: usize = 1_000;
const RUN_BYTES_MAX: usize = 16 * 1024 * 1024;

type Visit<'a> = dyn FnMut(Place) -> ControlFlow<()> + 'a;

impl Tree<'_> {
    /// Whether [`Tree::ordered`] can tell the children of `path` in the order of `index`.
    pub fn is_ordered(&self, path: &Path, index: &Index) -> Result<bool, StoreError> {
        match index {
            Index::Key | Index::Priority => Ok(true),
            Index::Value | Index::Child(_) => Ok(ready(self.conn, path, index)?.is_some()),
        }
    }

    /// Visits the places of the children of `path` that lie within the bounds of `query`, in its order, until `visit`
    /// breaks; last first if it has a limit to the last. The limit itself does not count. An integer beyond 2^53 may
    /// come as the double next to it, which is the same in order.
    ///
    /// Costs a seek and what is visited, except by key and by priority where no child has one: there a seek each. Gives
    /// `false`, and visits nothing, if no index is ready that tells the order: see [`Tree::child_index_values`].
    pub fn ordered(
        &self,
        path: &Path,
        query: &Query,
        visit: &mut dyn FnMut(Place) -> ControlFlow<()>,
    ) -> Result<bool, StoreError> {
        let base = path_key(path);
        let index = match &query.index {
            Index::Key => None,
            Index::Priority => has_entries(self.conn, &base)?.then_some(PRIORITY),
            index => match ready(self.conn, path, index)? {
                None => return Ok(false),
                index => index,
            },
        };
        // A range may hold a little more than is within the bounds.
        let mut visit = |place: Place| {
            if query.contains(&place) { visit(place) } else { ControlFlow::Continue(()) }
        };
        match index {
            None => self.by_key(&base, query, &mut visit)?,
            Some(index) => {
                let prefix = entries_below(index, &base);
                let sought = sought(&query.index);
                Entries { conn: self.conn, base, prefix, sought, query }.walk(&mut visit)?;
            }
        }
        Ok(true)
    }

    /// Children that are all equal in order but for their keys.
    fn by_key(&self, base: &[u8], query: &Query, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        let (from, mut to) = key_range(base, query);
        let place = |segment: &[u8]| {
            Ok::<_, StoreError>(Place { value: IndexValue::Null, key: segment_key(segment, &mut Vec::new())? })
        };
        if !is_backwards(query) {
            return scan(self.conn, KEYS, from, &to, |key, _, skip_to| {
                let segment = child_segment(base, key)?;
                *skip_to = end_of(&[base, segment].concat());
                Ok(if visit(place(segment)?).is_break() { Next::Stop } else { Next::Skip })
            });
        }
        let mut statement = self.conn.prepare_cached(KEYS_BACK)?;
        loop {
            let mut rows = statement.query((&from, &to))?;
            let Some(row) = rows.next()? else { return Ok(()) };
            let segment = child_segment(base, key_of(row)?)?;
            if visit(place(segment)?).is_break() {
                return Ok(());
            }
            to = [base, segment].concat();
        }
    }
}

fn is_backwards(query: &Query) -> bool {
    matches!(query.limit, Some(Limit::Last(_)))
}

/// The entries of one node, in the order of a query.
struct Entries<'a> {
    conn: &'a Connection,
    /// Row key of the node.
    base: Vec<u8>,
    /// What its entries begin with.
    prefix: Vec<u8>,
    /// The way from a child to what orders it.
    sought: Vec<u8>,
    query: &'a Query,
}

/// Why a pass over entries ended.
enum Ended {
    Over,
    /// At entries that begin so, and tell only the beginning of their values.
    AtRun(Vec<u8>),
}

impl Entries<'_> {
    fn walk(&self, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        let (mut from, mut to) = range(&self.prefix, self.query);
        while let Ended::AtRun(run) = self.pass(&from, &to, visit)? {
            if self.run(&run, visit)?.is_break() {
                break;
            }
            if is_backwards(self.query) {
                to = run;
            } else {
                from = end_of(&run);
            }
        }
        Ok(())
    }

    /// Visits entries up to the first run.
    fn pass(&self, from: &[u8], to: &[u8], visit: &mut Visit<'_>) -> Result<Ended, StoreError> {
        let sql = if is_backwards(self.query) { BACKWARDS } else { FORWARDS };
        let mut statement = self.conn.prepare_cached(sql)?;
        let mut rows = statement.query((from, to))?;
        while let Some(row) = rows.next()? {
            let entry = key_of(row)?;
            let (value, segment) = split(entry.strip_prefix(self.prefix.as_slice()).ok_or_else(bad_key)?)?;
            let Some(value) = value else {
                return Ok(Ended::AtRun(entry.strip_suffix(segment).unwrap_or(entry).to_vec()));
            };
            if visit(Place { value, key: segment_key(segment, &mut Vec::new())? }).is_break() {
                break;
            }
        }
        Ok(Ended::Over)
    }

    /// Visits a run in the order of its real values. Memory is bounded: a run that is too long is read several times.
    fn run(&self, run: &[u8], visit: &mut Visit<'_>) -> Result<ControlFlow<()>, StoreError> {
        let mut last = None;
        loop {
            let part = self.part_of_run(run, last.as_ref())?;
            let in_order: Box<dyn Iterator<Item = Place>> =
                if is_backwards(self.query) { Box::new(part.into_iter().rev()) } else { Box::new(part.into_iter()) };
            let before = last.clone();
            for place in in_order {
                if visit(place.clone()).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
                last = Some(place);
            }
            if last == before {
                return Ok(ControlFlow::Continue(()));
            }
        }
    }

    /// The next places of a run behind `last`, as many as may be held.
    fn part_of_run(&self, run: &[u8], last: Option<&Place>) -> Result<BTreeSet<Place>, StoreError> {
        let is_backwards = is_backwards(self.query);
        let is_due = |place: &Place| last.is_none_or(|last| if is_backwards { place < last } else { place > last });
        let (mut part, mut bytes) = (BTreeSet::new(), 0);
        let mut statement = self.conn.prepare_cached(FORWARDS)?;
        let mut rows = statement.query((run, end_of(run)))?;
        while let Some(row) = rows.next()? {
            let segment = key_of(row)?.strip_prefix(run).ok_or_else(bad_key)?;
            let place = self.real_place(segment)?;
            if !is_due(&place) {
                continue;
            }
            bytes += text_bytes(&place);
            part.insert(place);
            while part.len() > RUN_PLACES_MAX || (bytes > RUN_BYTES_MAX && part.len() > 1) {
                let farthest = if is_backwards { part.pop_first() } else { part.pop_last() };
                bytes -= farthest.as_ref().map_or(0, text_bytes);
            }
        }
        Ok(part)
    }

    /// The place of a child whose entry tells only the beginning of its value, read from the tree.
    fn real_place(&self, segment: &[u8]) -> Result<Place, StoreError> {
        let mut statement = self.conn.prepare_cached(ROW)?;
        let mut rows = statement.query([[self.base.as_slice(), segment, &self.sought].concat()])?;
        let column = usize::from(self.query.index == Index::Priority);
        let value = match rows.next()? {
            Some(row) => scalar(row.get_ref(column)?)?.map(ScalarRef::to_scalar),
            None => None,
        };
        let value = value.ok_or_else(|| StoreError::damaged("an index row without its value"))?;
        Ok(Place { value: IndexValue::Scalar(value), key: segment_key(segment, &mut Vec::new())? })
    }
}

fn text_bytes(place: &Place) -> usize {
    match &place.value {
        IndexValue::Scalar(Scalar::String(text)) => text.len(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{Temp, node, path, set};
    use super::*;
    use crate::model::{Key, Node};

    /// How many places of a run of `len` texts, each of `bytes` beyond what an entry keeps, are held at once.
    fn held(len: usize, bytes: usize) -> usize {
        let mut temp = Temp::new();
        let text = |at: usize| Node::leaf(Scalar::string("x".repeat(256 + bytes) + &at.to_string()));
        let children = (0..len).map(|at| (Key::index(at), text(at))).collect();
        temp.commit(vec![set("/a", Node::inner(children, None)), set("/b", node("1"))], 0);
        temp.index(&[("/a", ".value")]);
        let base = path_key(&path("/a"));
        let index = ready(temp.tree().conn, &path("/a"), &Index::Value).unwrap().unwrap();
        let prefix = entries_below(index, &base);
        let query = Query { index: Index::Value, ..Query::default() };
        let tree = temp.tree();
        let entries = Entries { conn: tree.conn, base, prefix, sought: Vec::new(), query: &query };
        let (from, to) = range(&entries.prefix, &query);
        let Ended::AtRun(run) = entries.pass(&from, &to, &mut |_| ControlFlow::Continue(())).unwrap() else {
            panic!("no run");
        };
        entries.part_of_run(&run, None).unwrap().len()
    }

    #[test]
    fn run_is_read_in_parts_of_bounded_size() {
        assert_eq!(held(20, 10), 20);
        assert_eq!(held(RUN_PLACES_MAX + 20, 10), RUN_PLACES_MAX);
        assert_eq!(held(2, RUN_BYTES_MAX / 2), 1);
    }
}
