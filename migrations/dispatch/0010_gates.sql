-- What a segment's score was made of: each quality gate's outcome, and by which means.

ALTER TABLE segments
    ADD COLUMN gates JSONB CHECK (jsonb_typeof(gates) = 'object'),
    ADD COLUMN identity_backend TEXT,
    ADD COLUMN not_measurable TEXT,
    ADD COLUMN score_sequence BIGINT NOT NULL DEFAULT 0 CHECK (score_sequence >= 0);

COMMENT ON COLUMN segments.gates IS 'metric -> {verdict, value, limit, message}; NULL while it has no score';
COMMENT ON COLUMN segments.not_measurable IS 'why its clip could not be measured';
COMMENT ON COLUMN segments.score_sequence IS 'of the kept score among those of this segment; an older one changes nothing';
