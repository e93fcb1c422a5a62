-- Limits of one metric for a project, or for one scene type of it. A metric without a row has the built-in gate.
CREATE TABLE quality_gates (
    id BIGSERIAL PRIMARY KEY,
    project_id BIGINT NOT NULL,
    scene_type_id BIGINT,
    metric TEXT NOT NULL CHECK (metric IN (
        'matches_request', 'sharpness', 'exposure', 'clipping', 'motion', 'flicker', 'frozen_frames', 'black_frames',
        'identity_similarity', 'handover_ssim', 'ssim_to_baseline'
    )),
    warn_below DOUBLE PRECISION,
    fail_below DOUBLE PRECISION,
    warn_above DOUBLE PRECISION,
    fail_above DOUBLE PRECISION,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    UNIQUE NULLS NOT DISTINCT (project_id, scene_type_id, metric),
    CHECK (fail_below <= warn_below),
    CHECK (fail_above >= warn_above)
);
CREATE INDEX idx_quality_gates_scene_type_id ON quality_gates (scene_type_id);
CREATE TRIGGER set_updated_at BEFORE UPDATE ON quality_gates
    FOR EACH ROW EXECUTE FUNCTION trigger_set_updated_at();

-- Where a character's face or subject is in a source photograph: found once, deleted with the character.
-- The box is in fractions of the photograph.
CREATE TABLE identity_references (
    character_id BIGINT NOT NULL,
    source_image_sha256 TEXT NOT NULL CHECK (source_image_sha256 ~ '^[0-9a-f]{64}$'),
    backend TEXT NOT NULL,
    backend_version TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('face', 'subject')),
    box_x DOUBLE PRECISION NOT NULL,
    box_y DOUBLE PRECISION NOT NULL,
    box_width DOUBLE PRECISION NOT NULL CHECK (box_width > 0),
    box_height DOUBLE PRECISION NOT NULL CHECK (box_height > 0),
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (character_id, source_image_sha256, backend, backend_version)
);
CREATE INDEX idx_identity_references_source_image_sha256 ON identity_references (source_image_sha256);
CREATE TRIGGER set_updated_at BEFORE UPDATE ON identity_references
    FOR EACH ROW EXECUTE FUNCTION trigger_set_updated_at();
