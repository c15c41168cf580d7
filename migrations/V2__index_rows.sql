-- Why: a query for the last ten of a million children should read ten, not a million. So the children of indexed places
-- are kept in order beside the tree: by priority wherever a child has one, by value or by something below each child
-- where `.indexOn` in the rules asks for it.

-- The indexes that the rules ask for. Rows of `entry` begin with their id; id 0 is the order by priority.
-- pattern: the place whose children are ordered, a wildcard in it being $. index_on: as in the rules, but with a slash
-- before a path, or .value.
-- state: building (cursor: the row key of the tree from which on entries are still missing), ready, or gone (its
-- entries are being deleted).
CREATE TABLE index_spec (
    id       INTEGER NOT NULL PRIMARY KEY,
    pattern  TEXT NOT NULL,
    index_on TEXT NOT NULL,
    state    TEXT NOT NULL,
    cursor   BLOB NOT NULL
);

-- One row per child and index. key: index, parent, value, child, so that byte order is the order of the index
-- (src/store/index/entry.rs).
CREATE TABLE entry (
    key BLOB NOT NULL PRIMARY KEY
) WITHOUT ROWID;

-- meta gains the name `rules`: the text of the rules. Its `priorities` is now found only in files of the first schema,
-- until their priorities have entries (src/store/index/priority.rs).
