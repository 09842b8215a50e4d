-- The next number of each kind; accounts and environments share one.
CREATE TABLE IF NOT EXISTS id_block (
    name TEXT NOT NULL PRIMARY KEY, -- the name of the sequence
    next INTEGER NOT NULL           -- the next number
) STRICT, WITHOUT ROWID;
