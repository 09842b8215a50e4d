-- Counts how often a server has opened this database.
CREATE TABLE IF NOT EXISTS epoch (
    only_row BIGINT PRIMARY KEY CHECK (only_row = 1),
    value BIGINT NOT NULL
);
COMMENT ON TABLE epoch IS 'Counts how often a server has opened this database.';
COMMENT ON COLUMN epoch.only_row IS 'there is one row';
COMMENT ON COLUMN epoch.value IS 'the newest epoch';
INSERT INTO epoch VALUES (1, 0) ON CONFLICT DO NOTHING;
