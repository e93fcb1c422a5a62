-- The order of the queue with ageing, pauses, and what renders took.

ALTER TABLE scenes ADD COLUMN is_paused BOOLEAN NOT NULL DEFAULT false;
-- Set by a person who moved the scene in the queue; its jobs take it over.
ALTER TABLE scenes ADD COLUMN moved_turn BIGINT;

-- When it is a job's turn: the ten minutes of its request, earlier by its priority. See domain/queue.py.
ALTER TABLE generation_jobs ADD COLUMN turn BIGINT;
UPDATE generation_jobs SET turn = floor(extract(epoch FROM requested_at) / 600)::bigint - priority;
ALTER TABLE generation_jobs ALTER COLUMN turn SET NOT NULL;
ALTER TABLE generation_jobs ADD COLUMN is_held BOOLEAN NOT NULL DEFAULT false;
DROP INDEX idx_generation_jobs_claim;
CREATE INDEX idx_generation_jobs_claim ON generation_jobs (turn, remaining DESC, requested_at, id)
    WHERE state = 'queued' AND NOT is_held;
CREATE INDEX idx_generation_jobs_held ON generation_jobs (turn, remaining DESC, requested_at, id)
    WHERE state = 'queued' AND is_held;

-- One row: whether anything new is started at all.
CREATE TABLE queue_control (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    is_paused BOOLEAN NOT NULL,
    paused_by TEXT,
    paused_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CHECK (is_paused = (paused_by IS NOT NULL)),
    CHECK (is_paused = (paused_at IS NOT NULL))
);
INSERT INTO queue_control (id, is_paused) VALUES (1, false);
CREATE TRIGGER set_updated_at BEFORE UPDATE ON queue_control
    FOR EACH ROW EXECUTE FUNCTION trigger_set_updated_at();

CREATE INDEX idx_segments_generated_at ON segments (generated_at) WHERE state = 'generated';

-- What people decided about render servers while the service runs. `url` is NULL for those that the settings name.
CREATE TABLE server_wishes (
    name TEXT PRIMARY KEY,
    url TEXT UNIQUE,
    is_draining BOOLEAN NOT NULL,
    requested_by TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE TRIGGER set_updated_at BEFORE UPDATE ON server_wishes
    FOR EACH ROW EXECUTE FUNCTION trigger_set_updated_at();
ALTER TABLE render_servers DROP CONSTRAINT render_servers_state_check;
ALTER TABLE render_servers ADD CONSTRAINT render_servers_state_check CHECK (state IN ('ready', 'away', 'draining'));
