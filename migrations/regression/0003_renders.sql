-- Chains asked of the renderer: for a run (run_id, and the baseline it is compared with) or for a baseline
-- (regression_baseline_renders). Each has a deadline; none waits for ever.
CREATE TABLE renders (
    request_id UUID PRIMARY KEY,
    reference_id BIGINT NOT NULL REFERENCES regression_references(id) ON DELETE CASCADE ON UPDATE CASCADE,
    purpose TEXT NOT NULL CHECK (purpose IN ('baseline', 'regression', 'rollback_proof')),
    run_id BIGINT REFERENCES regression_runs(id) ON DELETE CASCADE ON UPDATE CASCADE,
    baseline_id BIGINT REFERENCES regression_baselines(id) ON DELETE CASCADE ON UPDATE CASCADE,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'requested', 'complete', 'failed', 'timed_out', 'cancelled')),
    segment_count INTEGER NOT NULL CHECK (segment_count >= 1),
    scene_id BIGINT,
    failure JSONB,
    remeasure_asked_at TIMESTAMPTZ,
    requested_at TIMESTAMPTZ,
    deadline_at TIMESTAMPTZ NOT NULL,
    finished_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CHECK ((purpose = 'baseline') = (run_id IS NULL)),
    CONSTRAINT uq_renders_run_id_reference_id UNIQUE (run_id, reference_id)
);
CREATE INDEX idx_renders_reference_id ON renders (reference_id);
CREATE INDEX idx_renders_baseline_id ON renders (baseline_id);
CREATE INDEX idx_renders_deadline_at ON renders (deadline_at)
    WHERE state IN ('waiting', 'requested') OR remeasure_asked_at IS NOT NULL;
CREATE TRIGGER set_updated_at BEFORE UPDATE ON renders FOR EACH ROW EXECUTE FUNCTION trigger_set_updated_at();

-- The two halves of a position come as two events, in either order.
CREATE TABLE render_segments (
    request_id UUID NOT NULL REFERENCES renders(request_id) ON DELETE CASCADE,
    position INTEGER NOT NULL CHECK (position >= 1),
    generated JSONB,
    scored JSONB,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (request_id, position)
);
CREATE TRIGGER set_updated_at BEFORE UPDATE ON render_segments FOR EACH ROW EXECUTE FUNCTION trigger_set_updated_at();

-- The identical renders behind a baseline. The first of an accepted one is the run's own render.
CREATE TABLE regression_baseline_renders (
    baseline_id BIGINT NOT NULL REFERENCES regression_baselines(id) ON DELETE CASCADE ON UPDATE CASCADE,
    capture_index INTEGER NOT NULL CHECK (capture_index >= 1),
    request_id UUID NOT NULL REFERENCES renders(request_id) ON DELETE CASCADE,
    PRIMARY KEY (baseline_id, capture_index)
);
CREATE INDEX idx_regression_baseline_renders_request_id ON regression_baseline_renders (request_id);
