-- Why: what a session armed runs when it ends, and must then be judged by the rules as the write of whoever armed it, also
-- when the server was killed in between.

-- who: JSON. "admin", null for nobody in particular (so count rows of before), or an object with the `auth` variable.
ALTER TABLE on_disconnect ADD COLUMN who TEXT NOT NULL DEFAULT 'null';
