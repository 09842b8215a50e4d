-- The change feed: one entry for each write, without gaps, for a while.
CREATE TABLE IF NOT EXISTS change (
    revision INTEGER PRIMARY KEY, -- its place
    kind TEXT NOT NULL,           -- the table of the row
    id INTEGER NOT NULL,          -- the number of the row; it is gone for good where there is none
    at INTEGER NOT NULL           -- when it was written
) STRICT;
