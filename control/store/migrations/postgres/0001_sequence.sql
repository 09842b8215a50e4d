-- The sequencer: whoever writes holds this row, so the order of revisions is the order of commits.
CREATE TABLE IF NOT EXISTS sequence (
    only_row BIGINT PRIMARY KEY CHECK (only_row = 1),
    revision BIGINT NOT NULL,
    batch_epoch BIGINT NOT NULL,
    batch_number BIGINT NOT NULL
);
COMMENT ON TABLE sequence IS 'The sequencer: whoever writes holds this row, so the order of revisions is the order of commits.';
COMMENT ON COLUMN sequence.only_row IS 'there is one row';
COMMENT ON COLUMN sequence.revision IS 'the newest revision';
COMMENT ON COLUMN sequence.batch_epoch IS 'the epoch of the server that wrote it';
COMMENT ON COLUMN sequence.batch_number IS 'the number of the batch that wrote it';
INSERT INTO sequence VALUES (1, 0, 0, 0) ON CONFLICT DO NOTHING;
