//! What a value listener sees of a record: a put or a patch relative to its own path.
//!
//! Pure. Source: Firebase REST reference 11.5.

use std::borrow::Cow;

use crate::model::{Change, Node, Path, Record, Value};

/// At most one event per record.
#[derive(Debug, PartialEq)]
pub(super) enum Projection<'a> {
    Put { path: Path, node: Cow<'a, Node> },
    Patch { path: Path, changes: Vec<(Path, Node)> },
}

/// What `listened` sees of `record`; `None` if it is not touched or nothing of it differs.
///
/// `differs` says per change (by index) whether it altered what is listened to. `after` reads the node that now stands
/// at an absolute path; it is asked for priority changes only, and only if `priorities` show.
pub(super) fn project<'a, E>(
    listened: &Path,
    record: &'a Record,
    priorities: bool,
    differs: &dyn Fn(usize) -> bool,
    after: &mut dyn FnMut(&Path) -> Result<Node, E>,
) -> Result<Option<Projection<'a>>, E> {
    let seen: Vec<&'a Change> = record
        .changes
        .iter()
        .enumerate()
        .filter(|(index, change)| touches(listened, change, priorities) && differs(*index))
        .map(|(_, change)| change)
        .collect();
    let Some(first) = seen.first() else { return Ok(None) };
    if listened.starts_with(&first.path) && first.path.len() < listened.len() {
        // Only a node can be seen from below: a priority above is no part of what is listened to.
        let node = match &first.value {
            Value::Node(node) => listened.strip_prefix(&first.path).and_then(|below| node.at(&below)),
            Value::Priority(_) => None,
        };
        return Ok(Some(Projection::Put {
            path: Path::root(),
            node: node.map_or(Cow::Owned(Node::Empty), Cow::Borrowed),
        }));
    }
    if record.update
        && let Some(base) = record.path.strip_prefix(listened)
    {
        // All keys as written, also those that changed nothing: the writer's own words.
        let mut changes = Vec::new();
        for change in record.changes.iter().filter(|change| touches(listened, change, priorities)) {
            changes.push((relative(change, &record.path), value(change, after)?.into_owned()));
        }
        return Ok(Some(Projection::Patch { path: base, changes }));
    }
    if let [only] = seen.as_slice() {
        return Ok(Some(Projection::Put { path: relative(only, listened), node: value(only, after)? }));
    }
    let mut changes = Vec::new();
    for change in seen {
        changes.push((relative(change, listened), value(change, after)?.into_owned()));
    }
    Ok(Some(Projection::Patch { path: Path::root(), changes }))
}

/// Whether a change can be seen at all from `listened`.
pub(super) fn touches(listened: &Path, change: &Change, priorities: bool) -> bool {
    match &change.value {
        Value::Node(_) => change.path.starts_with(listened) || listened.starts_with(&change.path),
        Value::Priority(_) => priorities && change.path.starts_with(listened),
    }
}

fn relative(change: &Change, base: &Path) -> Path {
    change.path.strip_prefix(base).unwrap_or_default()
}

fn value<'a, E>(change: &'a Change, after: &mut dyn FnMut(&Path) -> Result<Node, E>) -> Result<Cow<'a, Node>, E> {
    match &change.value {
        Value::Node(node) => Ok(Cow::Borrowed(node)),
        Value::Priority(_) => after(&change.path).map(Cow::Owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Scalar;

    fn path(text: &str) -> Path {
        Path::parse(text).unwrap()
    }

    fn leaf(value: i64) -> Node {
        Node::leaf(Scalar::Int(value))
    }

    fn record(at: &str, update: bool, changes: Vec<(&str, Node)>) -> Record {
        let changes =
            changes.into_iter().map(|(at, node)| Change { path: path(at), value: Value::Node(node) }).collect();
        Record { seq: 1, time: 0, path: path(at), update, changes }
    }

    fn check(listened: &str, record: &Record, expected: &str) {
        let mut after = |_: &Path| Ok::<_, ()>(Node::Empty);
        let seen = project(&path(listened), record, false, &|_| true, &mut after).unwrap();
        let text = match seen {
            None => "nothing".to_owned(),
            Some(Projection::Put { path, node }) => format!("put {path} {}", show(&node)),
            Some(Projection::Patch { path, changes }) => {
                let parts: Vec<String> = changes.iter().map(|(at, node)| format!("{at}={}", show(node))).collect();
                format!("patch {path} {}", parts.join(" "))
            }
        };
        assert_eq!(text, expected, "listening at {listened}");
    }

    fn show(node: &Node) -> String {
        match node {
            Node::Empty => "null".into(),
            Node::Leaf { value: Scalar::Int(value), .. } => value.to_string(),
            _ => "tree".into(),
        }
    }

    #[test]
    fn set_is_a_put_at_its_place() {
        let set = record("/a/b", false, vec![("/a/b", leaf(1))]);
        check("/", &set, "put /a/b 1");
        check("/a/b", &set, "put / 1");
        check("/c", &set, "nothing");
    }

    #[test]
    fn set_above_is_a_put_of_everything_listened_to() {
        let mut tree = Node::Empty;
        tree.set(path("/b/c").keys(), leaf(7));
        let set = record("/a", false, vec![("/a", tree)]);
        check("/a/b/c", &set, "put / 7");
        check("/a/x", &set, "put / null");
    }

    #[test]
    fn update_is_a_patch_with_the_keys_as_written() {
        let update = record("/a", true, vec![("/a/x/y", leaf(1)), ("/a/z", Node::Empty)]);
        check("/", &update, "patch /a /x/y=1 /z=null");
        check("/a", &update, "patch / /x/y=1 /z=null");
        check("/a/x", &update, "put /y 1");
        check("/a/x/y", &update, "put / 1");
        check("/a/x/y/deeper", &update, "put / null");
    }

    #[test]
    fn update_above_with_several_places_below_is_one_patch() {
        let update = record("/", true, vec![("/a/x", leaf(1)), ("/a/y", leaf(2)), ("/b", leaf(3))]);
        check("/a", &update, "patch / /x=1 /y=2");
    }
}
