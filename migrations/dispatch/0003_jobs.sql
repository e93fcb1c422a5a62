-- Work for the render servers: leased, attempted, adopted once.

CREATE TABLE generation_jobs (
    id BIGSERIAL PRIMARY KEY,
    uid UUID NOT NULL UNIQUE,
    scene_id BIGINT NOT NULL REFERENCES scenes (id) ON DELETE CASCADE ON UPDATE CASCADE,
    segment_id BIGINT NOT NULL REFERENCES segments (id) ON DELETE CASCADE ON UPDATE CASCADE,
    priority INTEGER NOT NULL CHECK (priority BETWEEN -100 AND 100),
    remaining INTEGER NOT NULL CHECK (remaining >= 1),
    requested_at TIMESTAMPTZ NOT NULL,
    state TEXT NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'leased', 'done', 'failed', 'cancelled')),
    attempt INTEGER NOT NULL DEFAULT 0 CHECK (attempt >= 0),
    failed_attempts INTEGER NOT NULL DEFAULT 0 CHECK (failed_attempts >= 0),
    repeated_renders INTEGER NOT NULL DEFAULT 0 CHECK (repeated_renders >= 0),
    available_at TIMESTAMPTZ NOT NULL,
    deadline_at TIMESTAMPTZ,
    leased_until TIMESTAMPTZ,
    lease_token UUID,
    server TEXT,
    failure JSONB,
    queued_at TIMESTAMPTZ NOT NULL,
    finished_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CHECK ((state = 'leased') = (leased_until IS NOT NULL)),
    CHECK ((state = 'leased') = (lease_token IS NOT NULL)),
    CHECK ((state IN ('queued', 'leased')) = (finished_at IS NULL))
);
-- The order in which work is claimed. Finished jobs are not in it, so claiming costs the same after a million of them.
CREATE INDEX idx_generation_jobs_claim ON generation_jobs (priority DESC, remaining DESC, requested_at, id)
    WHERE state = 'queued';
CREATE INDEX idx_generation_jobs_leased_until ON generation_jobs (leased_until) WHERE state = 'leased';
CREATE INDEX idx_generation_jobs_deadline_at ON generation_jobs (deadline_at)
    WHERE state IN ('queued', 'leased') AND deadline_at IS NOT NULL;
CREATE UNIQUE INDEX idx_generation_jobs_open ON generation_jobs (segment_id) WHERE state IN ('queued', 'leased');
CREATE INDEX idx_generation_jobs_scene_id ON generation_jobs (scene_id, id);
CREATE INDEX idx_generation_jobs_state ON generation_jobs (state, id);
CREATE TRIGGER set_updated_at BEFORE UPDATE ON generation_jobs
    FOR EACH ROW EXECUTE FUNCTION trigger_set_updated_at();

-- Every prompt that was or may have been sent. Written before it is sent, so that a crash forgets none.
CREATE TABLE generation_attempts (
    job_id BIGINT NOT NULL REFERENCES generation_jobs (id) ON DELETE CASCADE ON UPDATE CASCADE,
    attempt INTEGER NOT NULL CHECK (attempt >= 1),
    prompt_id UUID NOT NULL UNIQUE,
    server TEXT NOT NULL,
    file_prefix TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'prepared'
        CHECK (state IN ('prepared', 'submitted', 'adopted', 'failed', 'lost', 'abandoned')),
    submitted_at TIMESTAMPTZ,
    closed_at TIMESTAMPTZ,
    failure JSONB,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (job_id, attempt),
    CHECK ((state IN ('prepared', 'submitted')) = (closed_at IS NULL))
);
CREATE UNIQUE INDEX idx_generation_attempts_adopted ON generation_attempts (job_id) WHERE state = 'adopted';
CREATE TRIGGER set_updated_at BEFORE UPDATE ON generation_attempts
    FOR EACH ROW EXECUTE FUNCTION trigger_set_updated_at();

-- Prompts nobody waits for any more; they are cancelled on their server. No foreign key: their job may be deleted.
CREATE TABLE abandoned_prompts (
    prompt_id UUID PRIMARY KEY,
    server TEXT NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0 CHECK (tries >= 0),
    available_at TIMESTAMPTZ NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE INDEX idx_abandoned_prompts_available_at ON abandoned_prompts (available_at);

CREATE TABLE render_servers (
    name TEXT PRIMARY KEY,
    state TEXT NOT NULL CHECK (state IN ('ready', 'away')),
    problem TEXT,
    engine TEXT,
    device TEXT,
    queue_length INTEGER NOT NULL DEFAULT 0 CHECK (queue_length >= 0),
    checked_at TIMESTAMPTZ NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE TRIGGER set_updated_at BEFORE UPDATE ON render_servers
    FOR EACH ROW EXECUTE FUNCTION trigger_set_updated_at();
