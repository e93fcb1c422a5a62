-- Scenes and the versions of their segments. Ids of other services' things are plain columns without foreign keys.

CREATE TABLE scenes (
    id BIGSERIAL PRIMARY KEY,
    name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    project_id BIGINT NOT NULL,
    character_id BIGINT NOT NULL,
    scene_type_id BIGINT NOT NULL,
    purpose TEXT NOT NULL CHECK (purpose IN ('scene', 'baseline', 'regression', 'rollback_proof')),
    tier TEXT NOT NULL CHECK (tier IN ('draft', 'full')),
    state TEXT NOT NULL CHECK (state IN ('rendering', 'completed', 'failed', 'cancelled')),
    state_reason TEXT NOT NULL DEFAULT '',
    priority INTEGER NOT NULL DEFAULT 0 CHECK (priority BETWEEN -100 AND 100),
    segment_count INTEGER NOT NULL CHECK (segment_count BETWEEN 1 AND 100),
    request_id UUID UNIQUE,
    source_scene_id BIGINT,
    workflow_version_id BIGINT NOT NULL,
    assets JSONB NOT NULL CHECK (jsonb_typeof(assets) = 'array'),
    seed_image_sha256 TEXT NOT NULL CHECK (seed_image_sha256 ~ '^[0-9a-f]{64}$'),
    source_image_sha256 TEXT NOT NULL CHECK (source_image_sha256 ~ '^[0-9a-f]{64}$'),
    deadline_at TIMESTAMPTZ,
    created_by TEXT NOT NULL,
    correlation_id UUID NOT NULL,
    finished_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CHECK ((purpose = 'scene') = (request_id IS NULL)),
    CHECK ((state = 'rendering') = (finished_at IS NULL))
);
CREATE INDEX idx_scenes_project_id ON scenes (project_id, id);
CREATE INDEX idx_scenes_character_id ON scenes (character_id, id);
CREATE INDEX idx_scenes_scene_type_id ON scenes (scene_type_id, id);
CREATE INDEX idx_scenes_purpose ON scenes (purpose, id);
CREATE TRIGGER set_updated_at BEFORE UPDATE ON scenes
    FOR EACH ROW EXECUTE FUNCTION trigger_set_updated_at();

-- One row is one version of a position; exactly one version of a position is current.
CREATE TABLE segments (
    id BIGSERIAL PRIMARY KEY,
    scene_id BIGINT NOT NULL REFERENCES scenes (id) ON DELETE CASCADE ON UPDATE CASCADE,
    position INTEGER NOT NULL CHECK (position BETWEEN 1 AND 100),
    previous_segment_id BIGINT REFERENCES segments (id) ON DELETE SET NULL ON UPDATE CASCADE,
    regeneration_count INTEGER NOT NULL DEFAULT 0 CHECK (regeneration_count >= 0),
    is_current BOOLEAN NOT NULL,
    is_stale BOOLEAN NOT NULL DEFAULT false,
    boundary_ssim_before DOUBLE PRECISION CHECK (boundary_ssim_before BETWEEN -1 AND 1),
    boundary_ssim_after DOUBLE PRECISION CHECK (boundary_ssim_after BETWEEN -1 AND 1),
    state TEXT NOT NULL CHECK (state IN ('planned', 'queued', 'generated', 'failed', 'cancelled')),
    review TEXT NOT NULL DEFAULT 'none' CHECK (review IN ('none', 'approved', 'rejected')),
    review_note TEXT NOT NULL DEFAULT '',
    reviewed_by TEXT,
    reviewed_at TIMESTAMPTZ,
    requested_parameters JSONB NOT NULL,
    parameters JSONB,
    baseline_clip_sha256 TEXT CHECK (baseline_clip_sha256 ~ '^[0-9a-f]{64}$'),
    seed_image_sha256 TEXT CHECK (seed_image_sha256 ~ '^[0-9a-f]{64}$'),
    previous_clip_sha256 TEXT CHECK (previous_clip_sha256 ~ '^[0-9a-f]{64}$'),
    clip_sha256 TEXT CHECK (clip_sha256 ~ '^[0-9a-f]{64}$'),
    clip_size_bytes BIGINT CHECK (clip_size_bytes > 0),
    frame_digest TEXT CHECK (frame_digest ~ '^[0-9a-f]{64}$'),
    last_frame_sha256 TEXT CHECK (last_frame_sha256 ~ '^[0-9a-f]{64}$'),
    width INTEGER CHECK (width > 0),
    height INTEGER CHECK (height > 0),
    frames INTEGER CHECK (frames > 0),
    fps DOUBLE PRECISION CHECK (fps > 0),
    duration_seconds DOUBLE PRECISION CHECK (duration_seconds > 0),
    environment JSONB,
    job_id BIGINT,
    attempt INTEGER CHECK (attempt >= 1),
    prompt_id UUID,
    server TEXT,
    queued_seconds DOUBLE PRECISION CHECK (queued_seconds >= 0),
    render_seconds DOUBLE PRECISION CHECK (render_seconds >= 0),
    generated_at TIMESTAMPTZ,
    failure JSONB,
    gate_verdict TEXT CHECK (gate_verdict IN ('pass', 'warn', 'fail')),
    quality_score DOUBLE PRECISION CHECK (quality_score BETWEEN 0 AND 1),
    metric_suite_version TEXT,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    UNIQUE (scene_id, position, regeneration_count),
    CHECK ((state = 'generated') = (clip_sha256 IS NOT NULL)),
    CHECK (clip_sha256 IS NULL OR (
        clip_size_bytes IS NOT NULL AND frame_digest IS NOT NULL AND last_frame_sha256 IS NOT NULL
        AND width IS NOT NULL AND height IS NOT NULL AND frames IS NOT NULL AND fps IS NOT NULL
        AND duration_seconds IS NOT NULL AND parameters IS NOT NULL AND environment IS NOT NULL
        AND seed_image_sha256 IS NOT NULL AND job_id IS NOT NULL AND attempt IS NOT NULL AND prompt_id IS NOT NULL
        AND server IS NOT NULL AND queued_seconds IS NOT NULL AND render_seconds IS NOT NULL
        AND generated_at IS NOT NULL)),
    CHECK ((state = 'failed') = (failure IS NOT NULL)),
    CHECK ((review = 'none') = (reviewed_at IS NULL))
);
CREATE UNIQUE INDEX idx_segments_current ON segments (scene_id, position) WHERE is_current;
CREATE INDEX idx_segments_previous_segment_id ON segments (previous_segment_id);
CREATE INDEX idx_segments_clip_sha256 ON segments (clip_sha256);
CREATE TRIGGER set_updated_at BEFORE UPDATE ON segments
    FOR EACH ROW EXECUTE FUNCTION trigger_set_updated_at();
