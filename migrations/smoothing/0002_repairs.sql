-- What people asked to be done about a seam, and what became of it. Clips are candidates; nothing is overwritten.
CREATE TABLE boundary_repairs (
    id UUID PRIMARY KEY,
    seam_id BIGINT NOT NULL REFERENCES seams (id) ON DELETE CASCADE ON UPDATE CASCADE,
    scene_id BIGINT NOT NULL,
    segment_id BIGINT NOT NULL,
    side TEXT NOT NULL CHECK (side IN ('before', 'after')),
    method TEXT NOT NULL CHECK (method IN ('frame_blending', 're_extraction')),
    frames INTEGER CHECK (frames >= 1),
    overwrite BIGINT[] NOT NULL,
    state TEXT NOT NULL DEFAULT 'queued'
        CHECK (state IN ('queued', 'making', 'proposed', 'current', 'rejected', 'cancelled', 'undone')),
    claims INTEGER NOT NULL DEFAULT 0 CHECK (claims >= 0),
    crashes INTEGER NOT NULL DEFAULT 0 CHECK (crashes >= 0),
    lease_token UUID,
    leased_until TIMESTAMPTZ,
    reasons TEXT[] NOT NULL DEFAULT '{}',
    rejected_by TEXT CHECK (rejected_by IN ('smoothing', 'dispatch')),
    before JSONB,
    after JSONB,
    clips JSONB NOT NULL DEFAULT '[]',
    requested_by TEXT NOT NULL,
    correlation_id UUID NOT NULL,
    proposed_at TIMESTAMPTZ,
    deadline_at TIMESTAMPTZ,
    ended_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CHECK ((state = 'making') = (lease_token IS NOT NULL)),
    CHECK ((lease_token IS NULL) = (leased_until IS NULL)),
    CHECK ((state = 'rejected') = (rejected_by IS NOT NULL)),
    CHECK ((state = 'proposed') = (deadline_at IS NOT NULL)),
    CHECK (state NOT IN ('proposed', 'current', 'undone') OR (jsonb_array_length(clips) > 0 AND proposed_at IS NOT NULL)),
    CHECK ((state IN ('queued', 'making', 'proposed')) = (ended_at IS NULL))
);
CREATE UNIQUE INDEX one_open_repair_per_seam ON boundary_repairs (seam_id)
    WHERE state IN ('queued', 'making', 'proposed');
CREATE INDEX idx_boundary_repairs_seam_id ON boundary_repairs (seam_id);
CREATE INDEX idx_boundary_repairs_scene_id ON boundary_repairs (scene_id);
CREATE INDEX idx_boundary_repairs_to_make ON boundary_repairs (created_at) WHERE state IN ('queued', 'making');
CREATE INDEX idx_boundary_repairs_deadline ON boundary_repairs (deadline_at) WHERE state = 'proposed';
CREATE TRIGGER set_updated_at BEFORE UPDATE ON boundary_repairs
    FOR EACH ROW EXECUTE FUNCTION trigger_set_updated_at();
COMMENT ON COLUMN boundary_repairs.clips IS 'made from which versions, stored as what; empty until it is proposed';
COMMENT ON COLUMN boundary_repairs.deadline_at IS 'by then somebody has decided, or it is given up';
