-- Which batches were committed, for a while: a server that lost the connection during a commit looks here.
CREATE TABLE IF NOT EXISTS batch (
    revision INTEGER PRIMARY KEY, -- the newest revision of the batch
    epoch INTEGER NOT NULL,       -- the epoch of the server that wrote it
    number INTEGER NOT NULL       -- a number that the server counts
) STRICT;
