-- The audit log.
CREATE TABLE IF NOT EXISTS audit_log (
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
COMMENT ON TABLE audit_log IS 'The audit log.';
COMMENT ON COLUMN audit_log.id IS 'its number, never given again';
COMMENT ON COLUMN audit_log.uuid IS 'given at creation';
COMMENT ON COLUMN audit_log.project_id IS 'the environment that owns it';
COMMENT ON COLUMN audit_log.stack_id IS 'the stack above it';
COMMENT ON COLUMN audit_log.service_id IS 'the service above it';
COMMENT ON COLUMN audit_log.host_id IS 'the host that it is on';
COMMENT ON COLUMN audit_log.name IS 'its name';
COMMENT ON COLUMN audit_log.unique_key IS 'no two rows that are not removed share it';
COMMENT ON COLUMN audit_log.revision IS 'its newest entry in the change feed';
COMMENT ON COLUMN audit_log.generation IS 'how often its intent has changed';
COMMENT ON COLUMN audit_log.created IS 'when it was made, in milliseconds since 1970-01-01 UTC like all times';
COMMENT ON COLUMN audit_log.removal_asked IS 'when its removal was asked for';
COMMENT ON COLUMN audit_log.removed IS 'when its removal was complete';
COMMENT ON COLUMN audit_log.intent_format IS 'the format of the intent';
COMMENT ON COLUMN audit_log.intent IS 'what the API wants, as JSON';
COMMENT ON COLUMN audit_log.decision_format IS 'the format of the decision';
COMMENT ON COLUMN audit_log.decision IS 'what its controller decided, as JSON';
COMMENT ON COLUMN audit_log.observation_format IS 'the format of the observation';
COMMENT ON COLUMN audit_log.observation IS 'what hosts saw, as JSON';
CREATE UNIQUE INDEX IF NOT EXISTS audit_log_unique_key ON audit_log (unique_key)
    WHERE unique_key IS NOT NULL AND removed IS NULL;
