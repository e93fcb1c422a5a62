-- Test shots: one short segment each, rendered by the same pipeline through a scene of its own.

ALTER TABLE scenes DROP CONSTRAINT scenes_purpose_check;
ALTER TABLE scenes ADD CONSTRAINT scenes_purpose_check
    CHECK (purpose IN ('scene', 'baseline', 'regression', 'rollback_proof', 'test_shot'));
ALTER TABLE scenes DROP CONSTRAINT scenes_check;
ALTER TABLE scenes ADD CONSTRAINT scenes_request_id_check
    CHECK ((purpose IN ('scene', 'test_shot')) = (request_id IS NULL));
-- For estimates: what the last renders of a workflow version took.
CREATE INDEX idx_scenes_workflow_version_id ON scenes (workflow_version_id, tier, id);

-- What a server said it has: {"node_classes": [...], "files": {class: {input: [file names]}}}.
ALTER TABLE render_servers ADD COLUMN capabilities JSONB;

CREATE TABLE test_shot_batches (
    id BIGSERIAL PRIMARY KEY,
    scene_type_id BIGINT NOT NULL,
    created_by_id TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE TRIGGER set_updated_at BEFORE UPDATE ON test_shot_batches
    FOR EACH ROW EXECUTE FUNCTION trigger_set_updated_at();

-- The columns down to updated_at are the requirement's. Paths are names in the media store: hashes of the content.
-- People are known by name here, and ids of other services' things are plain columns. What is shown of the outcome is a
-- copy of the render scene's, so that a page of the gallery reads one table.
CREATE TABLE test_shots (
    id BIGSERIAL PRIMARY KEY,
    scene_type_id BIGINT NOT NULL,
    character_id BIGINT NOT NULL,
    workflow_id BIGINT,
    parameters JSONB NOT NULL,
    seed_image_path TEXT NOT NULL CHECK (seed_image_path ~ '^[0-9a-f]{64}$'),
    output_video_path TEXT CHECK (output_video_path ~ '^[0-9a-f]{64}$'),
    last_frame_path TEXT CHECK (last_frame_path ~ '^[0-9a-f]{64}$'),
    duration_secs DOUBLE PRECISION CHECK (duration_secs > 0),
    quality_score DOUBLE PRECISION CHECK (quality_score BETWEEN 0 AND 1),
    is_promoted BOOLEAN NOT NULL DEFAULT false,
    promoted_to_scene_id BIGINT REFERENCES scenes (id) ON DELETE SET NULL ON UPDATE CASCADE,
    created_by_id TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    project_id BIGINT NOT NULL,
    lora_id BIGINT,
    model_id BIGINT,
    tier TEXT NOT NULL CHECK (tier IN ('draft', 'full')),
    assets JSONB NOT NULL CHECK (jsonb_typeof(assets) = 'array'),
    state TEXT NOT NULL DEFAULT 'rendering' CHECK (state IN ('rendering', 'completed', 'failed', 'cancelled')),
    state_reason TEXT NOT NULL DEFAULT '',
    gate_verdict TEXT CHECK (gate_verdict IN ('pass', 'warn', 'fail')),
    render_seconds DOUBLE PRECISION CHECK (render_seconds >= 0),
    render_scene_id BIGINT NOT NULL UNIQUE REFERENCES scenes (id) ON DELETE CASCADE ON UPDATE CASCADE,
    source_scene_id BIGINT REFERENCES scenes (id) ON DELETE SET NULL ON UPDATE CASCADE,
    promoted_segment_id BIGINT REFERENCES segments (id) ON DELETE SET NULL ON UPDATE CASCADE,
    batch_id BIGINT REFERENCES test_shot_batches (id) ON DELETE SET NULL ON UPDATE CASCADE,
    cell_name TEXT NOT NULL DEFAULT '',
    fingerprint TEXT NOT NULL CHECK (fingerprint ~ '^[0-9a-f]{64}$'),
    -- Not scored sorts behind everything that is.
    quality_rank DOUBLE PRECISION NOT NULL GENERATED ALWAYS AS (coalesce(quality_score, -1)) STORED,
    CHECK ((state = 'completed') = (output_video_path IS NOT NULL)),
    CHECK (output_video_path IS NULL OR (last_frame_path IS NOT NULL AND duration_secs IS NOT NULL)),
    CHECK (is_promoted OR promoted_to_scene_id IS NULL)
);
-- Each sort order, alone and within each filter: a page walks one of them.
CREATE INDEX idx_test_shots_scene_type_id ON test_shots (scene_type_id, id);
CREATE INDEX idx_test_shots_character_id ON test_shots (character_id, id);
CREATE INDEX idx_test_shots_created_by_id ON test_shots (created_by_id, id);
CREATE INDEX idx_test_shots_workflow_id ON test_shots (workflow_id, id);
CREATE INDEX idx_test_shots_lora_id ON test_shots (lora_id, id);
CREATE INDEX idx_test_shots_promoted ON test_shots (id) WHERE is_promoted;
CREATE INDEX idx_test_shots_by_character ON test_shots (character_id, (-id));
CREATE INDEX idx_test_shots_by_quality ON test_shots (quality_rank, id);
CREATE INDEX idx_test_shots_promoted_to_scene_id ON test_shots (promoted_to_scene_id);
CREATE INDEX idx_test_shots_source_scene_id ON test_shots (source_scene_id);
CREATE INDEX idx_test_shots_promoted_segment_id ON test_shots (promoted_segment_id);
CREATE INDEX idx_test_shots_batch_id ON test_shots (batch_id, id);
-- A cell of a batch exists once, unless it failed: then the next batch tries it again.
CREATE UNIQUE INDEX idx_test_shots_cell ON test_shots (fingerprint)
    WHERE batch_id IS NOT NULL AND state IN ('rendering', 'completed');
CREATE INDEX idx_test_shots_fingerprint ON test_shots (fingerprint) WHERE state IN ('rendering', 'completed');
CREATE TRIGGER set_updated_at BEFORE UPDATE ON test_shots
    FOR EACH ROW EXECUTE FUNCTION trigger_set_updated_at();
