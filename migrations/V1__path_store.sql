-- Why: the first shape of a database file: the tree, its log, what must survive a crash, and facts about the file.
--
-- A migration is never edited once released; the next one gets the next number.

-- The tree. One row per leaf; an inner node has one (its value NULL) only if it has a priority.
-- key: the path, encoded so that byte order is Firebase key order and a subtree is one range (src/store/encode.rs).
-- value, priority: INTEGER, REAL and TEXT as they are; a boolean is a BLOB of one byte.
CREATE TABLE node (
    key      BLOB NOT NULL PRIMARY KEY,
    value,
    priority
) WITHOUT ROWID;

-- Every write, in order. The newest record always stays: it is the position of the database.
-- bytes: size of record and undo. total: the same of this and all earlier records ever, so that the size of the log is one
-- subtraction.
-- record: JSON, see src/store/log.rs. undo: JSON, the rows it replaced; NULL when they are too many.
CREATE TABLE log (
    seq    INTEGER NOT NULL PRIMARY KEY,
    time   INTEGER NOT NULL,
    bytes  INTEGER NOT NULL,
    total  INTEGER NOT NULL,
    record TEXT NOT NULL,
    undo   TEXT
);

-- Writes that run when their session ends. id: the order in which they were armed. draft: JSON, server values unsettled.
CREATE TABLE on_disconnect (
    id      INTEGER NOT NULL PRIMARY KEY,
    session TEXT NOT NULL,
    path    TEXT NOT NULL,
    draft   TEXT NOT NULL,
    UNIQUE (session, path)
);

-- epoch: drawn when the file was made; a position of another epoch means nothing here.
-- priorities: there once a priority was stored; until then children stand in key order, and nobody need look.
CREATE TABLE meta (
    name  TEXT NOT NULL PRIMARY KEY,
    value NOT NULL
) WITHOUT ROWID;
