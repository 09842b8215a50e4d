-- The sequencer: whoever writes holds this row, so the order of revisions is the order of commits.
CREATE TABLE IF NOT EXISTS sequence (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1), -- there is one row
    revision INTEGER NOT NULL,                         -- the newest revision
    batch_epoch INTEGER NOT NULL,                      -- the epoch of the server that wrote it
    batch_number INTEGER NOT NULL                      -- the number of the batch that wrote it
) STRICT;
INSERT OR IGNORE INTO sequence VALUES (1, 0, 0, 0);
