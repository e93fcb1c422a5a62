CREATE TABLE sessions (
    key TEXT PRIMARY KEY CHECK (key ~ '^[0-9a-f]{64}$'),
    token_id UUID NOT NULL,
    actor TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('viewer', 'creator', 'admin')),
    sealed_token BYTEA NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

COMMENT ON COLUMN sessions.key IS 'sha256 of the cookie''s secret';
COMMENT ON COLUMN sessions.sealed_token IS 'encrypted with a key derived from the cookie''s secret, which is stored nowhere';

CREATE INDEX idx_sessions_token_id ON sessions (token_id);
CREATE INDEX idx_sessions_expires_at ON sessions (expires_at);

CREATE TABLE revoked_tokens (
    token_id UUID PRIMARY KEY,
    expires_at TIMESTAMPTZ NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

CREATE INDEX idx_revoked_tokens_expires_at ON revoked_tokens (expires_at);

CREATE TABLE activity (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('run_completed', 'segment_failed')),
    subject TEXT NOT NULL,
    summary TEXT NOT NULL,
    data JSONB NOT NULL DEFAULT '{}',
    correlation_id UUID NOT NULL,
    happened_at TIMESTAMPTZ NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

CREATE INDEX idx_activity_subject ON activity (subject, id DESC);

CREATE TABLE live_progress (
    subject TEXT PRIMARY KEY,
    done DOUBLE PRECISION NOT NULL CHECK (done >= 0),
    total DOUBLE PRECISION NOT NULL CHECK (total >= 0),
    state TEXT NOT NULL,
    data JSONB NOT NULL DEFAULT '{}',
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

COMMENT ON TABLE live_progress IS 'what is going on now; finished rows go at once, silent ones after an hour';

CREATE TRIGGER set_updated_at BEFORE UPDATE ON live_progress FOR EACH ROW EXECUTE FUNCTION trigger_set_updated_at();
