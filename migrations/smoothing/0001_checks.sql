-- Ids that will never be valid again: an event about one of them that comes late must not bring it back.
CREATE TABLE tombstones (
    kind TEXT NOT NULL CHECK (kind IN ('project', 'character', 'scene_type', 'scene')),
    id BIGINT NOT NULL,
    deleted_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (kind, id)
);

-- Copies of dispatch's segments, as far as a seam needs them. `id` is dispatch's.
CREATE TABLE segments (
    id BIGINT PRIMARY KEY,
    scene_id BIGINT NOT NULL,
    position INTEGER NOT NULL CHECK (position >= 1),
    segment_count INTEGER NOT NULL CHECK (segment_count >= 1),
    version INTEGER NOT NULL CHECK (version >= 1),
    project_id BIGINT NOT NULL,
    character_id BIGINT NOT NULL,
    scene_type_id BIGINT NOT NULL,
    purpose TEXT NOT NULL CHECK (purpose IN ('scene', 'baseline', 'regression', 'rollback_proof', 'test_shot')),
    tier TEXT NOT NULL CHECK (tier IN ('draft', 'full')),
    clip_sha256 TEXT NOT NULL CHECK (clip_sha256 ~ '^[0-9a-f]{64}$'),
    frames INTEGER NOT NULL CHECK (frames >= 1),
    repair_id UUID,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE INDEX idx_segments_scene_id_position ON segments (scene_id, position);
CREATE INDEX idx_segments_project_id ON segments (project_id);
CREATE INDEX idx_segments_character_id ON segments (character_id);
CREATE INDEX idx_segments_scene_type_id ON segments (scene_type_id);
CREATE TRIGGER set_updated_at BEFORE UPDATE ON segments
    FOR EACH ROW EXECUTE FUNCTION trigger_set_updated_at();

-- Which version of a position is current, as of `sequence` (the scene's revision).
CREATE TABLE positions (
    scene_id BIGINT NOT NULL,
    position INTEGER NOT NULL CHECK (position >= 1),
    segment_id BIGINT NOT NULL UNIQUE REFERENCES segments (id) ON DELETE CASCADE ON UPDATE CASCADE,
    sequence BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (scene_id, position)
);
CREATE TRIGGER set_updated_at BEFORE UPDATE ON positions
    FOR EACH ROW EXECUTE FUNCTION trigger_set_updated_at();

-- One row per pair of clips that ever met: the work, and then what was measured. The same pair is measured once.
CREATE TABLE boundary_checks (
    id BIGSERIAL PRIMARY KEY,
    previous_clip_sha256 TEXT NOT NULL CHECK (previous_clip_sha256 ~ '^[0-9a-f]{64}$'),
    next_clip_sha256 TEXT NOT NULL CHECK (next_clip_sha256 ~ '^[0-9a-f]{64}$'),
    state TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'measuring', 'measured', 'not_measurable')),
    claims INTEGER NOT NULL DEFAULT 0 CHECK (claims >= 0),
    crashes INTEGER NOT NULL DEFAULT 0 CHECK (crashes >= 0),
    lease_token UUID,
    leased_until TIMESTAMPTZ,
    seam JSONB,
    not_measurable TEXT,
    measure_seconds DOUBLE PRECISION CHECK (measure_seconds >= 0),
    measured_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    UNIQUE (previous_clip_sha256, next_clip_sha256),
    CHECK ((state = 'measuring') = (lease_token IS NOT NULL)),
    CHECK ((lease_token IS NULL) = (leased_until IS NULL)),
    CHECK ((state = 'measured') = (seam IS NOT NULL)),
    CHECK ((state = 'not_measurable') = (not_measurable IS NOT NULL)),
    CHECK ((state IN ('measured', 'not_measurable')) = (measured_at IS NOT NULL)),
    CHECK ((measured_at IS NULL) = (measure_seconds IS NULL))
);
CREATE INDEX idx_boundary_checks_open ON boundary_checks (id) WHERE state IN ('waiting', 'measuring');
CREATE TRIGGER set_updated_at BEFORE UPDATE ON boundary_checks
    FOR EACH ROW EXECUTE FUNCTION trigger_set_updated_at();
COMMENT ON COLUMN boundary_checks.seam IS 'every step of the window, as measured; judged when it is read or said';

-- Two versions that follow each other, or did. `is_to_be_said`: they met (again), and nobody was told how.
CREATE TABLE seams (
    id BIGSERIAL PRIMARY KEY,
    scene_id BIGINT NOT NULL,
    previous_segment_id BIGINT NOT NULL REFERENCES segments (id) ON DELETE CASCADE ON UPDATE CASCADE,
    next_segment_id BIGINT NOT NULL REFERENCES segments (id) ON DELETE CASCADE ON UPDATE CASCADE,
    check_id BIGINT NOT NULL REFERENCES boundary_checks (id),
    is_to_be_said BOOLEAN NOT NULL DEFAULT TRUE,
    times_said BIGINT NOT NULL DEFAULT 0 CHECK (times_said >= 0),
    thresholds_version INTEGER CHECK (thresholds_version >= 0),
    correlation_id UUID NOT NULL,
    accepted_by TEXT,
    accepted_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    UNIQUE (previous_segment_id, next_segment_id),
    CHECK ((accepted_by IS NULL) = (accepted_at IS NULL)),
    CHECK ((times_said = 0) = (thresholds_version IS NULL))
);
CREATE INDEX idx_seams_next_segment_id ON seams (next_segment_id);
CREATE INDEX idx_seams_check_id ON seams (check_id);
CREATE INDEX idx_seams_scene_id ON seams (scene_id);
CREATE INDEX idx_seams_to_be_said ON seams (id) WHERE is_to_be_said;
CREATE TRIGGER set_updated_at BEFORE UPDATE ON seams
    FOR EACH ROW EXECUTE FUNCTION trigger_set_updated_at();
COMMENT ON COLUMN seams.thresholds_version IS 'of the limits under which it was last judged aloud; 0 are the defaults';

-- Limits of a project; NULL is the default. Without a row all of them are.
CREATE TABLE boundary_thresholds (
    project_id BIGINT PRIMARY KEY,
    version INTEGER NOT NULL CHECK (version >= 1),
    limits JSONB NOT NULL,
    changed_by TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE TRIGGER set_updated_at BEFORE UPDATE ON boundary_thresholds
    FOR EACH ROW EXECUTE FUNCTION trigger_set_updated_at();
COMMENT ON COLUMN boundary_thresholds.limits IS 'those that differ from the defaults, by name';
