-- Repairs of seams: proposed by smoothing, decided by the gates of their candidates.

CREATE TABLE repairs (
    id UUID PRIMARY KEY,
    scene_id BIGINT NOT NULL REFERENCES scenes (id) ON DELETE CASCADE ON UPDATE CASCADE,
    previous_segment_id BIGINT NOT NULL REFERENCES segments (id) ON DELETE CASCADE ON UPDATE CASCADE,
    previous_clip_sha256 TEXT NOT NULL CHECK (previous_clip_sha256 ~ '^[0-9a-f]{64}$'),
    next_segment_id BIGINT NOT NULL REFERENCES segments (id) ON DELETE CASCADE ON UPDATE CASCADE,
    next_clip_sha256 TEXT NOT NULL CHECK (next_clip_sha256 ~ '^[0-9a-f]{64}$'),
    method TEXT NOT NULL,
    clips JSONB NOT NULL CHECK (jsonb_typeof(clips) = 'array'),
    before JSONB NOT NULL,
    after JSONB NOT NULL,
    overwrite BIGINT[] NOT NULL,
    requested_by TEXT NOT NULL,
    correlation_id UUID NOT NULL,
    state TEXT NOT NULL DEFAULT 'proposed'
        CHECK (state IN ('proposed', 'scoring', 'accepted', 'rejected', 'undone')),
    reasons TEXT[] NOT NULL DEFAULT '{}',
    joined_previous_id BIGINT REFERENCES segments (id) ON DELETE CASCADE ON UPDATE CASCADE,
    joined_next_id BIGINT REFERENCES segments (id) ON DELETE CASCADE ON UPDATE CASCADE,
    due_at TIMESTAMPTZ,
    deadline_at TIMESTAMPTZ NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CHECK ((state IN ('proposed', 'scoring')) = (due_at IS NOT NULL)),
    CHECK ((state = 'rejected') = (reasons <> '{}')),
    CHECK ((joined_previous_id IS NULL) = (joined_next_id IS NULL)),
    CHECK (state NOT IN ('scoring', 'accepted', 'undone') OR joined_next_id IS NOT NULL)
);
CREATE INDEX idx_repairs_due_at ON repairs (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX idx_repairs_scene_id ON repairs (scene_id);
CREATE INDEX idx_repairs_previous_segment_id ON repairs (previous_segment_id);
CREATE INDEX idx_repairs_next_segment_id ON repairs (next_segment_id);
CREATE INDEX idx_repairs_joined_previous_id ON repairs (joined_previous_id);
CREATE INDEX idx_repairs_joined_next_id ON repairs (joined_next_id);
CREATE TRIGGER set_updated_at BEFORE UPDATE ON repairs
    FOR EACH ROW EXECUTE FUNCTION trigger_set_updated_at();

COMMENT ON COLUMN repairs.due_at IS 'when it is looked at next; a look that breaks off is repeated then';
COMMENT ON COLUMN repairs.joined_previous_id IS 'with joined_next_id: the versions that meet at the repaired seam';

ALTER TABLE segments
    ADD COLUMN repair_id UUID REFERENCES repairs (id) ON DELETE SET NULL ON UPDATE CASCADE,
    ADD COLUMN repair JSONB,
    ADD COLUMN is_candidate BOOLEAN NOT NULL DEFAULT false,
    ADD COLUMN dropped_frames INTEGER NOT NULL DEFAULT 0 CHECK (dropped_frames >= 0),
    ADD CONSTRAINT segments_repairs_are_whole CHECK (repair_id IS NULL OR repair IS NOT NULL),
    ADD CONSTRAINT segments_candidates_are_not_current CHECK (NOT (is_candidate AND is_current));
CREATE INDEX idx_segments_repair_id ON segments (repair_id) WHERE repair_id IS NOT NULL;

COMMENT ON COLUMN segments.repair IS 'what was repaired: method, side, changed_frames, dropped_at_start, dropped_at_end';
COMMENT ON COLUMN segments.is_candidate IS 'made by a repair that was not accepted';
COMMENT ON COLUMN segments.dropped_frames IS 'frames that repairs took away from what was rendered';
