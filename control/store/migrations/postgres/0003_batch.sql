-- Which batches were committed, for a while: a server that lost the connection during a commit looks here.
CREATE TABLE IF NOT EXISTS batch (
    revision BIGINT PRIMARY KEY,
    epoch BIGINT NOT NULL,
    number BIGINT NOT NULL
);
COMMENT ON TABLE batch IS 'Which batches were committed, for a while: a server that lost the connection during a commit looks here.';
COMMENT ON COLUMN batch.revision IS 'the newest revision of the batch';
COMMENT ON COLUMN batch.epoch IS 'the epoch of the server that wrote it';
COMMENT ON COLUMN batch.number IS 'a number that the server counts';
