//! What rules see of the tree, before a write and after it, and what they say.
//!
//! Nothing is copied: a rule looks at single places, each one look into the tree, or into the write laid over it.
//! Source: Firebase rules reference 2.

use std::borrow::Cow;
use std::sync::Arc;

use crate::base::Millis;
use crate::model::{Change, Identity, Node, Path, Query, Scalar, Value};
use crate::rules::{Asker, Denial, Rules, Seen, Verdict, View, ViewError};
use crate::store::{StoreError, Stored, Tree};

/// The rules in force at one moment.
pub(super) struct Judge {
    pub rules: Arc<Rules>,
    pub now: Millis,
}

impl Judge {
    /// Whether `who` may read what `query` selects of the children of `path`.
    pub fn may_read(&self, tree: &Tree<'_>, who: &Identity, path: &Path, query: &Query) -> Result<bool, StoreError> {
        if self.rules.is_open() || who.is_admin() {
            return Ok(true);
        }
        let verdict = self.rules.may_read(&self.asker(who), path, query, &Before(tree));
        Ok(told(verdict.map_err(store_error)?))
    }

    /// Whether `who` may make all of `changes` at once.
    pub fn may_write(&self, tree: &Tree<'_>, who: &Identity, changes: &[Change]) -> Result<bool, StoreError> {
        if self.rules.is_open() || who.is_admin() {
            return Ok(true);
        }
        let (before, after) = (Before(tree), After { tree, changes });
        for change in changes {
            if !self.may_change(who, change, &before, &after)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Those of `changes`, each of somebody else, that may be made together.
    pub fn allowed(&self, tree: &Tree<'_>, changes: Vec<(Identity, Change)>) -> Result<Vec<Change>, StoreError> {
        let (mut asked, mut changes): (Vec<Identity>, Vec<Change>) = changes.into_iter().unzip();
        if self.rules.is_open() || asked.iter().all(Identity::is_admin) {
            return Ok(changes);
        }
        // Without one that is refused the others may not be allowed any more.
        loop {
            let (before, after) = (Before(tree), After { tree, changes: &changes });
            let mut is_allowed = Vec::with_capacity(changes.len());
            for (who, change) in asked.iter().zip(&changes) {
                is_allowed.push(who.is_admin() || self.may_change(who, change, &before, &after)?);
            }
            if is_allowed.iter().all(|is_allowed| *is_allowed) {
                return Ok(changes);
            }
            let mut kept = is_allowed.iter();
            asked.retain(|_| kept.next().copied().unwrap_or_default());
            let mut kept = is_allowed.iter();
            changes.retain(|_| kept.next().copied().unwrap_or_default());
        }
    }

    fn may_change(
        &self,
        who: &Identity,
        change: &Change,
        before: &Before<'_>,
        after: &After<'_>,
    ) -> Result<bool, StoreError> {
        let new = new_value(before.0, change)?;
        let new = (!new.is_empty()).then_some(&*new);
        let verdict = self.rules.may_write(&self.asker(who), &change.path, new, before, after);
        Ok(told(verdict.map_err(store_error)?))
    }

    fn asker<'a>(&self, identity: &'a Identity) -> Asker<'a> {
        Asker { identity, now: self.now }
    }
}

/// The value at the place of a change after it, as rules judge it.
pub(super) fn new_value<'a>(tree: &Tree<'_>, change: &'a Change) -> Result<Cow<'a, Node>, StoreError> {
    match &change.value {
        Value::Node(node) => Ok(Cow::Borrowed(node)),
        // Only the place itself is judged, as what it is with its new priority.
        Value::Priority(_) => shallow(tree, &change.path).map(Cow::Owned),
    }
}

/// The value at `path` where it is a leaf; else some leaf, which stands for there being anything.
fn shallow(tree: &Tree<'_>, path: &Path) -> Result<Node, StoreError> {
    Ok(match tree.look(path)? {
        Stored::Nothing => Node::Empty,
        Stored::Leaf(scalar) => Node::leaf(scalar),
        Stored::Children => Node::leaf(Scalar::Bool(true)),
    })
}

/// Denials are counted by those who run the server, not told to those who ask.
fn told(verdict: Verdict) -> bool {
    match verdict {
        Verdict::Allowed => true,
        Verdict::Denied(denial) => {
            log(&denial);
            false
        }
    }
}

fn log(denial: &Denial) {
    tracing::debug!(%denial, "refused by the rules");
}

pub(super) fn store_error(error: ViewError) -> StoreError {
    // Cannot fail: both views here fail with nothing else.
    *error.0.downcast::<StoreError>().expect("views of the tree fail with its errors")
}

impl From<StoreError> for ViewError {
    fn from(error: StoreError) -> Self {
        Self(Box::new(error))
    }
}

/// The tree as it is.
pub(super) struct Before<'a>(pub &'a Tree<'a>);

impl View for Before<'_> {
    fn look(&self, path: &Path) -> Result<Seen, ViewError> {
        Ok(seen(self.0.look(path)?))
    }

    fn priority(&self, path: &Path) -> Result<Option<Scalar>, ViewError> {
        Ok(self.0.priority(path)?)
    }
}

/// The tree as changes would leave it. No place of them lies below another.
pub(super) struct After<'a> {
    pub tree: &'a Tree<'a>,
    pub changes: &'a [Change],
}

impl After<'_> {
    /// What new data at or above `path` leaves there, if there is such.
    fn covering(&self, path: &Path) -> Option<&Node> {
        self.changes.iter().find_map(|change| match &change.value {
            Value::Node(node) => Some(node.at(&path.strip_prefix(&change.path)?).unwrap_or(&Node::Empty)),
            Value::Priority(_) => None,
        })
    }

    /// New data below `path`.
    fn below<'b>(&'b self, path: &'b Path) -> impl Iterator<Item = (&'b Path, &'b Node)> {
        self.changes.iter().filter_map(move |change| match &change.value {
            Value::Node(node) if change.path.starts_with(path) => Some((&change.path, node)),
            _ => None,
        })
    }
}

impl View for After<'_> {
    fn look(&self, path: &Path) -> Result<Seen, ViewError> {
        if let Some(node) = self.covering(path) {
            return Ok(match node {
                Node::Empty => Seen::Absent,
                Node::Leaf { value, .. } => Seen::Leaf(value.clone()),
                Node::Inner(_) => Seen::Branch,
            });
        }
        if self.below(path).any(|(_, node)| !node.is_empty()) {
            return Ok(Seen::Branch);
        }
        let before = self.tree.look(path)?;
        if !matches!(before, Stored::Children) {
            return Ok(seen(before));
        }
        // Something below goes: is anything left?
        let mut gone = 0_u64;
        for (place, _) in self.below(path) {
            gone += self.tree.leaves(place, u64::MAX)?;
        }
        let is_left = gone == 0 || self.tree.leaves(path, gone + 1)? > gone;
        Ok(if is_left { Seen::Branch } else { Seen::Absent })
    }

    fn priority(&self, path: &Path) -> Result<Option<Scalar>, ViewError> {
        let own = self.changes.iter().find(|change| change.path == *path).map(|change| &change.value);
        if let Some(Value::Priority(priority)) = own {
            let is_there = !matches!(self.look(path)?, Seen::Absent);
            return Ok(priority.clone().filter(|_| is_there));
        }
        match self.covering(path) {
            Some(node) => Ok(node.priority().cloned()),
            None if matches!(self.look(path)?, Seen::Absent) => Ok(None),
            None => Ok(self.tree.priority(path)?),
        }
    }
}

fn seen(stored: Stored) -> Seen {
    match stored {
        Stored::Nothing => Seen::Absent,
        Stored::Leaf(scalar) => Seen::Leaf(scalar),
        Stored::Children => Seen::Branch,
    }
}
