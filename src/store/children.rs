//! The children of a node: neighbours, the array rule, and the values by which queries order them.
//!
//! Children are found by skipping: from the first row of one to the first row behind it, whatever lies between.

use std::ops::ControlFlow;

use rusqlite::{Connection, Row};

use super::encode::{bad_key, end_of, path_key, push_segment, scalar, segment_index, segment_key, split_segment};
use super::scan::{KEY_FIRST, KEY_LAST, KEYS, Next, ROWS, key_between, key_of, scan};
use super::{StoreError, Tree};
use crate::model::order::{IndexValue, Place};
use crate::model::walk::{self, ScalarRef};
use crate::model::{Index, Key, Path};

impl Tree<'_> {
    /// The first child in key order.
    pub fn first_child(&self, path: &Path) -> Result<Option<Key>, StoreError> {
        let base = path_key(path);
        self.child_between(KEY_FIRST, &base, &base, &end_of(&base))
    }

    /// The last child in key order.
    pub fn last_child(&self, path: &Path) -> Result<Option<Key>, StoreError> {
        let base = path_key(path);
        self.child_between(KEY_LAST, &base, &base, &end_of(&base))
    }

    /// The first child behind `after`, which need not be there.
    pub fn child_after(&self, path: &Path, after: &Key) -> Result<Option<Key>, StoreError> {
        let base = path_key(path);
        self.child_between(KEY_FIRST, &base, &end_of(&child_key(&base, after)), &end_of(&base))
    }

    /// The last child before `before`, which need not be there.
    pub fn child_before(&self, path: &Path, before: &Key) -> Result<Option<Key>, StoreError> {
        let base = path_key(path);
        self.child_between(KEY_LAST, &base, &base, &child_key(&base, before))
    }

    fn child_between(&self, sql: &str, base: &[u8], above: &[u8], below: &[u8]) -> Result<Option<Key>, StoreError> {
        key_between(self.conn, sql, above, below, |key| segment_key(child_segment(base, key)?, &mut Vec::new()))
    }

    /// Visits the place of every child of `path` in the order of `index`, in key order (not in that of the index).
    ///
    /// One pass; what lies below a child and does not matter is skipped. Memory: one row.
    pub fn child_index_values(
        &self,
        path: &Path,
        index: &Index,
        visit: &mut dyn FnMut(Place) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        child_places(self.conn, &path_key(path), index, &mut |place| Ok(visit(place)))
    }
}

/// As [`Tree::child_index_values`], of the node whose row key is `base`, with a visitor that may fail.
pub fn child_places(
    conn: &Connection,
    base: &[u8],
    index: &Index,
    visit: &mut dyn FnMut(Place) -> Result<ControlFlow<()>, StoreError>,
) -> Result<(), StoreError> {
    let sought = sought(index);
    let sql = if *index == Index::Key { KEYS } else { ROWS };
    let null = |child: Child| Place { value: IndexValue::Null, key: child.key };
    // The child we are in, while no row at or behind the place that decides was seen.
    let mut undecided: Option<Child> = None;
    scan(conn, sql, base.to_vec(), &end_of(base), |key, row, skip_to| {
        if key == base {
            return Ok(Next::Row);
        }
        if let Some(child) = undecided.take_if(|child| key >= child.end.as_slice())
            && visit(null(child))?.is_break()
        {
            return Ok(Next::Stop);
        }
        let child = undecided.take().map_or_else(|| Child::of_row(base, key, &sought), Ok)?;
        if key < child.target.as_slice() {
            skip_to.clone_from(&child.target);
            undecided = Some(child);
            return Ok(Next::Skip);
        }
        let value = index_value(index, &child.target, key, row)?;
        *skip_to = child.end;
        Ok(if visit(Place { value, key: child.key })?.is_break() { Next::Stop } else { Next::Skip })
    })?;
    if let Some(child) = undecided {
        let _ = visit(null(child))?;
    }
    Ok(())
}

/// The place of the one child whose row key is `child`; `None` if it is not there. Costs one seek, and one more where
/// nothing is at what orders it.
pub fn child_place(conn: &Connection, child: &[u8], key: &Key, index: &Index) -> Result<Option<Place>, StoreError> {
    let target = [child, sought(index).as_slice()].concat();
    let mut statement = conn.prepare_cached(ROWS)?;
    let mut rows = statement.query((&target, end_of(child)))?;
    let value = match rows.next()? {
        Some(row) => index_value(index, &target, key_of(row)?, row)?,
        None if exists(conn, child)? => IndexValue::Null,
        None => return Ok(None),
    };
    Ok(Some(Place { value, key: key.clone() }))
}

/// Whether there is data at or below the row key `base`.
pub fn exists(conn: &Connection, base: &[u8]) -> Result<bool, StoreError> {
    let mut statement = conn.prepare_cached("SELECT 1 FROM node WHERE key >= ?1 AND key < ?2 LIMIT 1")?;
    Ok(statement.exists((base, end_of(base)))?)
}

/// The way from a child to what orders it, as part of a row key.
pub fn sought(index: &Index) -> Vec<u8> {
    match index {
        Index::Child(path) => path_key(path),
        Index::Priority | Index::Key | Index::Value => Vec::new(),
    }
}

/// A child whose index value is wanted.
struct Child {
    key: Key,
    /// Row key of the place that decides: at or below the child.
    target: Vec<u8>,
    /// First row key behind the child.
    end: Vec<u8>,
}

impl Child {
    /// The child of `base` at or below which the row `key` is; `sought` is the path from it to the place that decides.
    fn of_row(base: &[u8], key: &[u8], sought: &[u8]) -> Result<Self, StoreError> {
        let segment = child_segment(base, key)?;
        let end = end_of(&[base, segment].concat());
        Ok(Self { key: segment_key(segment, &mut Vec::new())?, target: [base, segment, sought].concat(), end })
    }
}

/// The value of a child, told by the first row at or behind the place `target` that decides.
fn index_value(index: &Index, target: &[u8], key: &[u8], row: &Row<'_>) -> Result<IndexValue, StoreError> {
    let of_scalar = |scalar: ScalarRef<'_>| IndexValue::Scalar(scalar.to_scalar());
    Ok(match index {
        Index::Priority if key == target => scalar(row.get_ref(2)?)?.map_or(IndexValue::Null, of_scalar),
        Index::Value | Index::Child(_) if key == target => {
            scalar(row.get_ref(1)?)?.map_or(IndexValue::Inner, of_scalar)
        }
        Index::Value | Index::Child(_) if key.starts_with(target) => IndexValue::Inner,
        _ => IndexValue::Null,
    })
}

/// Length of the array as which the inner node at `base` shows; `first` is the segment of its first child, if at hand.
///
/// Costs nothing unless that is an array index, one seek more unless the last child's is one too, and a pass over the
/// children only then. Source: Firebase REST reference 4.2.
pub fn array_len(conn: &Connection, base: &[u8], first: Option<&[u8]>) -> Result<Option<u32>, StoreError> {
    let end = end_of(base);
    let index_at = |sql| key_between(conn, sql, base, &end, |key| Ok(segment_index(child_segment(base, key)?)));
    let first = match first {
        Some(segment) => segment_index(segment),
        None => index_at(KEY_FIRST)?.flatten(),
    };
    if first.is_none() {
        return Ok(None);
    }
    match index_at(KEY_LAST)?.flatten() {
        Some(max) => count_elements(conn, base, &end, max),
        None => Ok(None),
    }
}

/// Applies the array rule to the children of `base`, the last of which is the index `max`.
fn count_elements(conn: &Connection, base: &[u8], end: &[u8], max: u32) -> Result<Option<u32>, StoreError> {
    let mut count = 0_u64;
    let mut holds = true;
    scan(conn, KEYS, base.to_vec(), end, |key, _, skip_to| {
        if key == base {
            return Ok(Next::Row);
        }
        let segment = child_segment(base, key)?;
        count += 1;
        // Can it still hold, if all that may come comes?
        let holds_at = |index| walk::array_len(true, max, count + u64::from(max.saturating_sub(index))).is_some();
        holds = segment_index(segment).is_some_and(holds_at);
        *skip_to = end_of(&[base, segment].concat());
        Ok(if holds { Next::Skip } else { Next::Stop })
    })?;
    Ok(walk::array_len(holds, max, count))
}

fn child_key(base: &[u8], key: &Key) -> Vec<u8> {
    let mut out = base.to_vec();
    push_segment(&mut out, key);
    out
}

/// The segment of the child of `base` at or below which `key` is.
pub fn child_segment<'a>(base: &[u8], key: &'a [u8]) -> Result<&'a [u8], StoreError> {
    key.strip_prefix(base).and_then(split_segment).map(|(segment, _)| segment).ok_or_else(bad_key)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Temp, node, path};
    use super::*;
    use crate::model::Node;
    use crate::model::walk::Step;

    /// Length as which the node at `/a` shows, as the store and as memory see it.
    fn lengths(json: &str) -> (Option<u32>, Option<u32>) {
        let mut temp = Temp::new();
        temp.write(&[("/a", json)]);
        let (mut stored, mut held) = (Vec::new(), Vec::new());
        let keep = |lengths: &mut Vec<Option<u32>>, step: Step<'_>| {
            if let Step::Enter { array_len, .. } = step {
                lengths.push(array_len);
            }
        };
        let walked = temp.tree().walk(&path("/a"), &mut |step| {
            keep(&mut stored, step);
            ControlFlow::Continue(())
        });
        walked.unwrap();
        node(json).walk(&mut |step| keep(&mut held, step));
        assert_eq!(stored, held, "{json}");
        (stored[0], held[0])
    }

    #[test]
    fn array_is_what_the_model_says() {
        assert_eq!(lengths(r#"{"0":1}"#).0, Some(1));
        assert_eq!(lengths(r#"{"1":1}"#).0, Some(2));
        assert_eq!(lengths(r#"{"2":1}"#).0, None);
        assert_eq!(lengths(r#"{"0":1,"3":2}"#).0, Some(4));
        assert_eq!(lengths(r#"{"0":1,"4":2}"#).0, None);
        assert_eq!(lengths(r#"{"0":1,"1":2,"00":3}"#).0, None);
        assert_eq!(lengths(r#"{"0":1,"1":2,"01":3,"2":3}"#).0, None);
        assert_eq!(lengths(r#"{"0":1,"1":2,"a":3}"#).0, None);
        assert_eq!(lengths(r#"{"-1":1,"0":2}"#).0, None);
        assert_eq!(lengths(r#"{"2147483647":1}"#).0, None);
        assert_eq!(lengths(r#"{".priority":1,"0":1,"1":{".priority":1,"0":{"0":1}}}"#).0, Some(2));
    }

    #[test]
    fn array_of_deep_elements_is_counted_by_element() {
        let element = |index: usize| {
            let rows: Vec<String> = (0..index % 40).map(|row| format!("\"r{row}\":{row}")).collect();
            format!("\"{index}\":{{\"deep\":{{\"x\":0{}{}}}}}", if rows.is_empty() { "" } else { "," }, rows.join(","))
        };
        let elements = |keep: fn(usize) -> bool| {
            let elements: Vec<String> = (0..120).filter(|index| keep(*index)).map(element).collect();
            format!("{{{}}}", elements.join(","))
        };
        assert_eq!(lengths(&elements(|_| true)).0, Some(120));
        assert_eq!(lengths(&elements(|index| index % 2 == 1)).0, Some(120));
        assert_eq!(lengths(&elements(|index| index % 3 == 0)).0, None);
    }

    /// Children with few and with many rows before, at and behind `m`, with and without it.
    fn forest() -> Node {
        let mut forest = Node::Empty;
        for child in 0..30_usize {
            let at = |below: &str| path(&format!("/c{child:02}/{below}"));
            for row in 0..(child % 5) * 15 {
                forest.set(at(&format!("b/{row}")).keys(), node("1"));
                forest.set(at(&format!("z/{row}")).keys(), node("true"));
            }
            match child % 4 {
                0 => forest.set(at("m").keys(), node(&child.to_string())),
                1 => forest.set(at("m/n").keys(), node("\"text\"")),
                2 => forest.set(at("o").keys(), node("false")),
                _ => forest.set(at("").keys(), node(&format!("{{\".value\":1.5,\".priority\":{child}}}"))),
            }
            if child % 2 == 0 {
                forest.set_priority(at("").keys(), Some(crate::model::Scalar::string("p")));
            }
        }
        forest
    }

    #[test]
    fn index_values_of_large_children_are_those_of_the_model() {
        let mut temp = Temp::new();
        let forest = forest();
        temp.commit(vec![super::super::testing::set("/a", forest.clone())], 0);
        let below = ["/", "/m", "/m/n", "/m/n/o", "/b/7", "/z", "/a"].map(|at| Index::Child(path(at)));
        for index in below.into_iter().chain([Index::Priority, Index::Key, Index::Value]) {
            let expected =
                forest.children().map(|(key, child)| Place { value: index.value(key, child), key: key.clone() });
            let expected: Vec<Place> = expected.collect();
            for stop_after in [1, 7, usize::MAX] {
                let mut places = Vec::new();
                let visited = temp.tree().child_index_values(&path("/a"), &index, &mut |place| {
                    places.push(place);
                    if places.len() == stop_after { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                });
                visited.unwrap();
                assert_eq!(places, expected[..stop_after.min(expected.len())], "{index:?}");
            }
        }
    }

    #[test]
    fn neighbours_are_found_whatever_bounds_are_asked_for() {
        let mut temp = Temp::new();
        temp.write(&[("/a", r#"{".priority":1,"3":{"x":{"y":1}},"b":{".priority":2,"c":1},"d":"leaf"}"#), ("/b", "1")]);
        let tree = temp.tree();
        let after = |text: &str| tree.child_after(&path("/a"), &Key::trusted(text)).unwrap().map(|key| key.to_string());
        let before =
            |text: &str| tree.child_before(&path("/a"), &Key::trusted(text)).unwrap().map(|key| key.to_string());
        assert_eq!(after("2").as_deref(), Some("3"));
        assert_eq!(after("3").as_deref(), Some("b"));
        assert_eq!(after("03").as_deref(), Some("b"));
        assert_eq!(after("[MIN_NAME]").as_deref(), Some("b"));
        assert_eq!(after("d"), None);
        assert_eq!(after(&"9".repeat(70_000)).as_deref(), Some("b"));
        assert_eq!(before(&format!("{}4", "0".repeat(70_000))).as_deref(), Some("3"));
        assert_eq!(before("b").as_deref(), Some("3"));
        assert_eq!(before("3"), None);
        assert_eq!(before("").as_deref(), Some("3"));
        assert_eq!(before("e").as_deref(), Some("d"));
        assert_eq!(tree.first_child(&path("/b")).unwrap(), None);
        assert_eq!(tree.last_child(&path("/none")).unwrap(), None);
    }
}
