-- Ids that will never be valid again: an event about one of them that comes late must not bring it back.
CREATE TABLE tombstones (
    kind TEXT NOT NULL CHECK (kind IN ('project', 'character', 'scene_type', 'scene')),
    id BIGINT NOT NULL,
    deleted_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (kind, id)
);

-- Copies of dispatch's segments, as far as a score needs them. `id` is dispatch's.
CREATE TABLE scored_segments (
    id BIGINT PRIMARY KEY,
    scene_id BIGINT NOT NULL,
    position INTEGER NOT NULL CHECK (position >= 1),
    segment_count INTEGER NOT NULL CHECK (segment_count >= 1),
    project_id BIGINT NOT NULL,
    character_id BIGINT NOT NULL,
    scene_type_id BIGINT NOT NULL,
    purpose TEXT NOT NULL CHECK (purpose IN ('scene', 'baseline', 'regression', 'rollback_proof')),
    tier TEXT NOT NULL CHECK (tier IN ('draft', 'full')),
    request_id UUID,
    clip_sha256 TEXT NOT NULL CHECK (clip_sha256 ~ '^[0-9a-f]{64}$'),
    baseline_clip_sha256 TEXT CHECK (baseline_clip_sha256 ~ '^[0-9a-f]{64}$'),
    previous_clip_sha256 TEXT CHECK (previous_clip_sha256 ~ '^[0-9a-f]{64}$'),
    source_image_sha256 TEXT NOT NULL CHECK (source_image_sha256 ~ '^[0-9a-f]{64}$'),
    expected JSONB NOT NULL,
    times_scored BIGINT NOT NULL DEFAULT 0,
    is_current BOOLEAN NOT NULL DEFAULT FALSE,
    activation_sequence BIGINT NOT NULL DEFAULT -1,
    review_decision TEXT CHECK (review_decision IN ('approved', 'rejected')),
    reviewed_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CHECK ((review_decision IS NULL) = (reviewed_at IS NULL))
);
CREATE INDEX idx_scored_segments_clip_sha256 ON scored_segments (clip_sha256);
CREATE INDEX idx_scored_segments_scene_position ON scored_segments (scene_id, position);
CREATE INDEX idx_scored_segments_character_id ON scored_segments (character_id);
CREATE INDEX idx_scored_segments_scene_type_id ON scored_segments (scene_type_id);
CREATE INDEX idx_scored_segments_project_id ON scored_segments (project_id);
CREATE TRIGGER set_updated_at BEFORE UPDATE ON scored_segments
    FOR EACH ROW EXECUTE FUNCTION trigger_set_updated_at();

-- One row per question ever asked of a clip: the work, and then its answer. The same question is measured once.
CREATE TABLE measurements (
    id BIGSERIAL PRIMARY KEY,
    question_sha256 TEXT NOT NULL UNIQUE CHECK (question_sha256 ~ '^[0-9a-f]{64}$'),
    clip_sha256 TEXT NOT NULL CHECK (clip_sha256 ~ '^[0-9a-f]{64}$'),
    baseline_clip_sha256 TEXT CHECK (baseline_clip_sha256 ~ '^[0-9a-f]{64}$'),
    previous_clip_sha256 TEXT CHECK (previous_clip_sha256 ~ '^[0-9a-f]{64}$'),
    source_image_sha256 TEXT NOT NULL CHECK (source_image_sha256 ~ '^[0-9a-f]{64}$'),
    expected JSONB NOT NULL,
    metric_suite_version TEXT NOT NULL,
    identity_backend TEXT NOT NULL,
    identity_backend_version TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'measuring', 'measured', 'not_measurable')),
    claims INTEGER NOT NULL DEFAULT 0 CHECK (claims >= 0),
    crashes INTEGER NOT NULL DEFAULT 0 CHECK (crashes >= 0),
    lease_token UUID,
    leased_until TIMESTAMPTZ,
    readings JSONB,
    not_measurable TEXT,
    measure_seconds DOUBLE PRECISION CHECK (measure_seconds >= 0),
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CHECK ((state = 'measuring') = (lease_token IS NOT NULL)),
    CHECK ((lease_token IS NULL) = (leased_until IS NULL)),
    CHECK ((state IN ('measured', 'not_measurable')) = (readings IS NOT NULL)),
    CHECK ((state IN ('measured', 'not_measurable')) = (measure_seconds IS NOT NULL)),
    CHECK ((state = 'not_measurable') = (not_measurable IS NOT NULL))
);
CREATE INDEX idx_measurements_open ON measurements (id) WHERE state IN ('waiting', 'measuring');
CREATE TRIGGER set_updated_at BEFORE UPDATE ON measurements
    FOR EACH ROW EXECUTE FUNCTION trigger_set_updated_at();

-- What an answer means for one segment, under the gates of the moment. Not yet said: scored_at is null.
CREATE TABLE quality_scores (
    id BIGSERIAL PRIMARY KEY,
    segment_id BIGINT NOT NULL REFERENCES scored_segments(id) ON DELETE CASCADE,
    measurement_id BIGINT NOT NULL REFERENCES measurements(id),
    correlation_id UUID NOT NULL,
    gate_verdict TEXT CHECK (gate_verdict IN ('pass', 'warn', 'fail')),
    gates JSONB,
    quality_score DOUBLE PRECISION CHECK (quality_score BETWEEN 0 AND 1),
    scored_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    UNIQUE (segment_id, measurement_id),
    CHECK ((scored_at IS NULL) OR (gate_verdict IS NOT NULL AND gates IS NOT NULL))
);
CREATE INDEX idx_quality_scores_measurement_id ON quality_scores (measurement_id);
CREATE INDEX idx_quality_scores_unsaid ON quality_scores (id) WHERE scored_at IS NULL;
CREATE TRIGGER set_updated_at BEFORE UPDATE ON quality_scores
    FOR EACH ROW EXECUTE FUNCTION trigger_set_updated_at();
