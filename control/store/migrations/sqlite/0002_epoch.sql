-- Counts how often a server has opened this database.
CREATE TABLE IF NOT EXISTS epoch (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1), -- there is one row
    value INTEGER NOT NULL                             -- the newest epoch
) STRICT;
INSERT OR IGNORE INTO epoch VALUES (1, 0);
