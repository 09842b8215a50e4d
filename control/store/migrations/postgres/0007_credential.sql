-- API keys, registration tokens, passwords, keys of agents, sessions. Secrets are hashed or sealed.
CREATE TABLE IF NOT EXISTS credential (
    id BIGINT PRIMARY KEY,
    uuid TEXT NOT NULL,
    project_id BIGINT,
    stack_id BIGINT,
    service_id BIGINT,
    host_id BIGINT,
    name TEXT,
    unique_key TEXT,
    revision BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    created BIGINT NOT NULL,
    removal_asked BIGINT,
    removed BIGINT,
    intent_format BIGINT NOT NULL,
    intent JSON NOT NULL,
    decision_format BIGINT NOT NULL,
    decision JSON NOT NULL,
    observation_format BIGINT NOT NULL,
    observation JSON NOT NULL
);
COMMENT ON TABLE credential IS 'API keys, registration tokens, passwords, keys of agents, sessions. Secrets are hashed or sealed.';
COMMENT ON COLUMN credential.id IS 'its number, never given again';
COMMENT ON COLUMN credential.uuid IS 'given at creation';
COMMENT ON COLUMN credential.project_id IS 'the environment that owns it';
COMMENT ON COLUMN credential.stack_id IS 'the stack above it';
COMMENT ON COLUMN credential.service_id IS 'the service above it';
COMMENT ON COLUMN credential.host_id IS 'the host that it is on';
COMMENT ON COLUMN credential.name IS 'its name';
COMMENT ON COLUMN credential.unique_key IS 'no two rows that are not removed share it';
COMMENT ON COLUMN credential.revision IS 'its newest entry in the change feed';
COMMENT ON COLUMN credential.generation IS 'how often its intent has changed';
COMMENT ON COLUMN credential.created IS 'when it was made, in milliseconds since 1970-01-01 UTC like all times';
COMMENT ON COLUMN credential.removal_asked IS 'when its removal was asked for';
COMMENT ON COLUMN credential.removed IS 'when its removal was complete';
COMMENT ON COLUMN credential.intent_format IS 'the format of the intent';
COMMENT ON COLUMN credential.intent IS 'what the API wants, as JSON';
COMMENT ON COLUMN credential.decision_format IS 'the format of the decision';
COMMENT ON COLUMN credential.decision IS 'what its controller decided, as JSON';
COMMENT ON COLUMN credential.observation_format IS 'the format of the observation';
COMMENT ON COLUMN credential.observation IS 'what hosts saw, as JSON';
CREATE UNIQUE INDEX IF NOT EXISTS credential_unique_key ON credential (unique_key)
    WHERE unique_key IS NOT NULL AND removed IS NULL;
