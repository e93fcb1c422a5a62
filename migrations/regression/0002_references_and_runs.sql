-- Ids of characters, scene types, scenes and assets are other services' and therefore plain columns.

CREATE TABLE regression_references (
    id BIGSERIAL PRIMARY KEY,
    character_id BIGINT NOT NULL,
    scene_type_id BIGINT NOT NULL,
    reference_scene_id BIGINT NOT NULL,
    baseline_scores JSONB NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
    project_id BIGINT NOT NULL,
    name TEXT NOT NULL CHECK (name <> ''),
    enabled BOOLEAN NOT NULL DEFAULT TRUE,
    status TEXT NOT NULL DEFAULT 'capturing' CHECK (status IN ('capturing', 'ready', 'failed')),
    failure TEXT,
    thresholds JSONB NOT NULL DEFAULT '{}',
    assets JSONB NOT NULL,
    segments JSONB NOT NULL,
    seed_image_sha256 TEXT NOT NULL,
    source_image_sha256 TEXT NOT NULL,
    baseline_id BIGINT,
    created_by TEXT NOT NULL,
    CONSTRAINT uq_regression_references_reference_scene_id UNIQUE (reference_scene_id),
    CHECK (status <> 'ready' OR baseline_id IS NOT NULL)
);
CREATE INDEX idx_regression_references_character_id ON regression_references(character_id);
CREATE INDEX idx_regression_references_scene_type_id ON regression_references(scene_type_id);
CREATE INDEX idx_regression_references_project_id ON regression_references(project_id);
CREATE INDEX idx_regression_references_assets ON regression_references USING gin (assets jsonb_path_ops);
CREATE TRIGGER set_updated_at BEFORE UPDATE ON regression_references FOR EACH ROW EXECUTE FUNCTION trigger_set_updated_at();

CREATE TABLE regression_runs (
    id BIGSERIAL PRIMARY KEY,
    trigger_type TEXT NOT NULL
        CHECK (trigger_type IN ('workflow_update', 'lora_update', 'model_update', 'manual', 'rollback_proof')),
    trigger_asset_id BIGINT,
    status TEXT NOT NULL DEFAULT 'pending'
        CHECK (status IN ('pending', 'running', 'completed', 'cancelled', 'failed')),
    started_at TIMESTAMPTZ,
    completed_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
    trigger_version_id BIGINT,
    previous_version_id BIGINT,
    trigger_key TEXT UNIQUE,
    asset_sequence BIGINT NOT NULL DEFAULT 0,
    outcome TEXT CHECK (outcome IN ('passed', 'degraded', 'inconclusive', 'cancelled', 'failed')),
    reason TEXT NOT NULL DEFAULT '',
    requested_by TEXT NOT NULL,
    references_total INTEGER NOT NULL DEFAULT 0,
    segments_total INTEGER NOT NULL DEFAULT 0,
    gone JSONB NOT NULL DEFAULT '[]',
    superseded_at TIMESTAMPTZ,
    superseded_by BIGINT REFERENCES regression_runs(id) ON DELETE SET NULL ON UPDATE CASCADE,
    proof_of_run_id BIGINT REFERENCES regression_runs(id) ON DELETE CASCADE ON UPDATE CASCADE,
    rollback_state TEXT CHECK (rollback_state IN ('requested', 'rejected', 'done', 'proven', 'not_proven')),
    rollback_reason TEXT,
    rollback_requested_by TEXT,
    rollback_deadline_at TIMESTAMPTZ,
    accepted_at TIMESTAMPTZ,
    accepted_by TEXT,
    CHECK ((status IN ('pending', 'running')) = (outcome IS NULL)),
    CHECK ((trigger_type = 'rollback_proof') = (proof_of_run_id IS NOT NULL))
);
CREATE INDEX idx_regression_runs_trigger_asset_id ON regression_runs(trigger_asset_id);
CREATE INDEX idx_regression_runs_open ON regression_runs(id) WHERE status IN ('pending', 'running');
CREATE INDEX idx_regression_runs_rollback_deadline_at ON regression_runs(rollback_deadline_at)
    WHERE rollback_state = 'requested';
CREATE INDEX idx_regression_runs_proof_of_run_id ON regression_runs(proof_of_run_id);
CREATE TRIGGER set_updated_at BEFORE UPDATE ON regression_runs FOR EACH ROW EXECUTE FUNCTION trigger_set_updated_at();

-- Versions of a reference's baseline. Old ones are kept: an old report still shows what it was compared with.
CREATE TABLE regression_baselines (
    id BIGSERIAL PRIMARY KEY,
    reference_id BIGINT NOT NULL REFERENCES regression_references(id) ON DELETE CASCADE ON UPDATE CASCADE,
    version INTEGER NOT NULL CHECK (version >= 1),
    status TEXT NOT NULL DEFAULT 'capturing' CHECK (status IN ('capturing', 'ready', 'failed')),
    failure TEXT,
    assets JSONB NOT NULL,
    accepted_from_run_id BIGINT REFERENCES regression_runs(id) ON DELETE SET NULL ON UPDATE CASCADE,
    clips JSONB NOT NULL DEFAULT '{}',
    scores JSONB NOT NULL DEFAULT '{}',
    noise JSONB NOT NULL DEFAULT '{}',
    environments JSONB NOT NULL DEFAULT '[]',
    metric_suite_version TEXT,
    identity_backend JSONB,
    created_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
    CONSTRAINT uq_regression_baselines_reference_id_version UNIQUE (reference_id, version)
);
CREATE UNIQUE INDEX uq_regression_baselines_capturing ON regression_baselines(reference_id) WHERE status = 'capturing';
CREATE INDEX idx_regression_baselines_accepted_from_run_id ON regression_baselines(accepted_from_run_id);
CREATE TRIGGER set_updated_at BEFORE UPDATE ON regression_baselines FOR EACH ROW EXECUTE FUNCTION trigger_set_updated_at();

ALTER TABLE regression_references
    ADD CONSTRAINT fk_regression_references_baseline_id
    FOREIGN KEY (baseline_id) REFERENCES regression_baselines(id) ON UPDATE CASCADE DEFERRABLE INITIALLY DEFERRED;

CREATE TABLE regression_results (
    id BIGSERIAL PRIMARY KEY,
    run_id BIGINT NOT NULL REFERENCES regression_runs(id) ON DELETE CASCADE ON UPDATE CASCADE,
    reference_id BIGINT NOT NULL REFERENCES regression_references(id) ON DELETE CASCADE ON UPDATE CASCADE,
    new_scene_id BIGINT,
    baseline_scores JSONB NOT NULL,
    new_scores JSONB NOT NULL,
    verdict TEXT NOT NULL CHECK (verdict IN ('improved', 'same', 'degraded', 'not_comparable')),
    created_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
    baseline_id BIGINT REFERENCES regression_baselines(id) ON DELETE SET NULL ON UPDATE CASCADE,
    request_id UUID NOT NULL,
    summary TEXT NOT NULL,
    failure JSONB,
    timed_out BOOLEAN NOT NULL DEFAULT FALSE,
    judgement JSONB NOT NULL,
    CONSTRAINT uq_regression_results_run_id_reference_id UNIQUE (run_id, reference_id)
);
CREATE INDEX idx_regression_results_run_id ON regression_results(run_id);
CREATE INDEX idx_regression_results_reference_id ON regression_results(reference_id);
CREATE INDEX idx_regression_results_baseline_id ON regression_results(baseline_id);
CREATE TRIGGER set_updated_at BEFORE UPDATE ON regression_results FOR EACH ROW EXECUTE FUNCTION trigger_set_updated_at();
