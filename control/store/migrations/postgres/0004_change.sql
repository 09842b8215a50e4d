-- The change feed: one entry for each write, without gaps, for a while.
CREATE TABLE IF NOT EXISTS change (
    revision BIGINT PRIMARY KEY,
    kind TEXT NOT NULL,
    id BIGINT NOT NULL,
    at BIGINT NOT NULL
);
COMMENT ON TABLE change IS 'The change feed: one entry for each write, without gaps, for a while.';
COMMENT ON COLUMN change.revision IS 'its place';
COMMENT ON COLUMN change.kind IS 'the table of the row';
COMMENT ON COLUMN change.id IS 'the number of the row; it is gone for good where there is none';
COMMENT ON COLUMN change.at IS 'when it was written';
