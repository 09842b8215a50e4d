-- Volumes.
CREATE TABLE IF NOT EXISTS volume (
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
COMMENT ON TABLE volume IS 'Volumes.';
COMMENT ON COLUMN volume.id IS 'its number, never given again';
COMMENT ON COLUMN volume.uuid IS 'given at creation';
COMMENT ON COLUMN volume.project_id IS 'the environment that owns it';
COMMENT ON COLUMN volume.stack_id IS 'the stack above it';
COMMENT ON COLUMN volume.service_id IS 'the service above it';
COMMENT ON COLUMN volume.host_id IS 'the host that it is on';
COMMENT ON COLUMN volume.name IS 'its name';
COMMENT ON COLUMN volume.unique_key IS 'no two rows that are not removed share it';
COMMENT ON COLUMN volume.revision IS 'its newest entry in the change feed';
COMMENT ON COLUMN volume.generation IS 'how often its intent has changed';
COMMENT ON COLUMN volume.created IS 'when it was made, in milliseconds since 1970-01-01 UTC like all times';
COMMENT ON COLUMN volume.removal_asked IS 'when its removal was asked for';
COMMENT ON COLUMN volume.removed IS 'when its removal was complete';
COMMENT ON COLUMN volume.intent_format IS 'the format of the intent';
COMMENT ON COLUMN volume.intent IS 'what the API wants, as JSON';
COMMENT ON COLUMN volume.decision_format IS 'the format of the decision';
COMMENT ON COLUMN volume.decision IS 'what its controller decided, as JSON';
COMMENT ON COLUMN volume.observation_format IS 'the format of the observation';
COMMENT ON COLUMN volume.observation IS 'what hosts saw, as JSON';
CREATE UNIQUE INDEX IF NOT EXISTS volume_unique_key ON volume (unique_key)
    WHERE unique_key IS NOT NULL AND removed IS NULL;
