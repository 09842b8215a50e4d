-- Secrets.
CREATE TABLE IF NOT EXISTS secret (
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
COMMENT ON TABLE secret IS 'Secrets.';
COMMENT ON COLUMN secret.id IS 'its number, never given again';
COMMENT ON COLUMN secret.uuid IS 'given at creation';
COMMENT ON COLUMN secret.project_id IS 'the environment that owns it';
COMMENT ON COLUMN secret.stack_id IS 'the stack above it';
COMMENT ON COLUMN secret.service_id IS 'the service above it';
COMMENT ON COLUMN secret.host_id IS 'the host that it is on';
COMMENT ON COLUMN secret.name IS 'its name';
COMMENT ON COLUMN secret.unique_key IS 'no two rows that are not removed share it';
COMMENT ON COLUMN secret.revision IS 'its newest entry in the change feed';
COMMENT ON COLUMN secret.generation IS 'how often its intent has changed';
COMMENT ON COLUMN secret.created IS 'when it was made, in milliseconds since 1970-01-01 UTC like all times';
COMMENT ON COLUMN secret.removal_asked IS 'when its removal was asked for';
COMMENT ON COLUMN secret.removed IS 'when its removal was complete';
COMMENT ON COLUMN secret.intent_format IS 'the format of the intent';
COMMENT ON COLUMN secret.intent IS 'what the API wants, as JSON';
COMMENT ON COLUMN secret.decision_format IS 'the format of the decision';
COMMENT ON COLUMN secret.decision IS 'what its controller decided, as JSON';
COMMENT ON COLUMN secret.observation_format IS 'the format of the observation';
COMMENT ON COLUMN secret.observation IS 'what hosts saw, as JSON';
CREATE UNIQUE INDEX IF NOT EXISTS secret_unique_key ON secret (unique_key)
    WHERE unique_key IS NOT NULL AND removed IS NULL;
