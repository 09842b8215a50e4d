-- Certificates.
CREATE TABLE IF NOT EXISTS certificate (
    id INTEGER PRIMARY KEY,              -- its number, never given again
    uuid TEXT NOT NULL,                  -- given at creation
    project_id INTEGER,                  -- the environment that owns it
    stack_id INTEGER,                    -- the stack above it
    service_id INTEGER,                  -- the service above it
    host_id INTEGER,                     -- the host that it is on
    name TEXT,                           -- its name
    unique_key TEXT,                     -- no two rows that are not removed share it
    revision INTEGER NOT NULL,           -- its newest entry in the change feed
    generation INTEGER NOT NULL,         -- how often its intent has changed
    created INTEGER NOT NULL,            -- when it was made, in milliseconds since 1970-01-01 UTC like all times
    removal_asked INTEGER,               -- when its removal was asked for
    removed INTEGER,                     -- when its removal was complete
    intent_format INTEGER NOT NULL,      -- the format of the intent
    intent TEXT NOT NULL,                -- what the API wants, as JSON
    decision_format INTEGER NOT NULL,    -- the format of the decision
    decision TEXT NOT NULL,              -- what its controller decided, as JSON
    observation_format INTEGER NOT NULL, -- the format of the observation
    observation TEXT NOT NULL            -- what hosts saw, as JSON
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS certificate_unique_key ON certificate (unique_key)
    WHERE unique_key IS NOT NULL AND removed IS NULL;
