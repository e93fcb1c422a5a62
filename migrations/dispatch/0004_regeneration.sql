-- Regeneration: why a version is stale, what was accepted for it, and cascades along a scene.

ALTER TABLE scenes
    ADD COLUMN revision BIGINT NOT NULL DEFAULT 0 CHECK (revision >= 0);

COMMENT ON COLUMN scenes.revision IS 'counts changes of which versions are current or stale';

CREATE TABLE cascades (
    id BIGSERIAL PRIMARY KEY,
    scene_id BIGINT NOT NULL REFERENCES scenes (id) ON DELETE CASCADE ON UPDATE CASCADE,
    from_segment_id BIGINT NOT NULL REFERENCES segments (id) ON DELETE CASCADE ON UPDATE CASCADE,
    overwrite BIGINT[] NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('running', 'completed', 'converged', 'stopped', 'failed')),
    reason TEXT NOT NULL DEFAULT '',
    requested_by TEXT NOT NULL,
    finished_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CHECK ((state = 'running') = (finished_at IS NULL))
);
CREATE UNIQUE INDEX idx_cascades_running ON cascades (scene_id) WHERE state = 'running';
CREATE INDEX idx_cascades_scene_id ON cascades (scene_id, id);
CREATE INDEX idx_cascades_from_segment_id ON cascades (from_segment_id);
CREATE TRIGGER set_updated_at BEFORE UPDATE ON cascades
    FOR EACH ROW EXECUTE FUNCTION trigger_set_updated_at();

ALTER TABLE segments
    ADD COLUMN is_locked BOOLEAN NOT NULL DEFAULT false,
    ADD COLUMN stale_causes JSONB NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(stale_causes) = 'array'),
    ADD COLUMN stale_revision BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN accepted_handovers JSONB NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(accepted_handovers) = 'array'),
    ADD COLUMN may_overwrite BOOLEAN NOT NULL DEFAULT false,
    ADD COLUMN activation JSONB,
    ADD COLUMN cascade_id BIGINT REFERENCES cascades (id) ON DELETE SET NULL ON UPDATE CASCADE,
    ADD CONSTRAINT segments_stale_has_a_cause CHECK (is_stale = (stale_causes <> '[]'::jsonb)),
    ADD CONSTRAINT segments_only_current_are_stale CHECK (is_current OR NOT is_stale);

COMMENT ON COLUMN segments.stale_causes IS 'broken hand-overs before it: position, given and taken frame, ssim';
COMMENT ON COLUMN segments.stale_revision IS 'scenes.revision at which stale_causes last changed';
COMMENT ON COLUMN segments.accepted_handovers IS 'broken hand-overs that an approval or the regeneration itself accepted';
COMMENT ON COLUMN segments.activation IS 'what became of the others when it became current, or why it did not';

CREATE INDEX idx_segments_cascade_id ON segments (cascade_id) WHERE cascade_id IS NOT NULL;
CREATE UNIQUE INDEX idx_segments_awaited ON segments (scene_id, position) WHERE state = 'queued' AND NOT is_current;

-- How alike two stored frames look. Frames are named by their hash and never change, so an answer stays true.
CREATE TABLE frame_comparisons (
    first_sha256 TEXT NOT NULL CHECK (first_sha256 ~ '^[0-9a-f]{64}$'),
    second_sha256 TEXT NOT NULL CHECK (second_sha256 ~ '^[0-9a-f]{64}$'),
    ssim DOUBLE PRECISION NOT NULL CHECK (ssim BETWEEN -1 AND 1),
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (first_sha256, second_sha256),
    CHECK (first_sha256 < second_sha256)
);
