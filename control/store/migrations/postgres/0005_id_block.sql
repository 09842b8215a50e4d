-- The next number of each kind; accounts and environments share one.
CREATE TABLE IF NOT EXISTS id_block (
    name TEXT NOT NULL PRIMARY KEY,
    next BIGINT NOT NULL
);
COMMENT ON TABLE id_block IS 'The next number of each kind; accounts and environments share one.';
COMMENT ON COLUMN id_block.name IS 'the name of the sequence';
COMMENT ON COLUMN id_block.next IS 'the next number';
