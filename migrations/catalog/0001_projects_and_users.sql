-- Names are trimmed and non-empty; `version` of a row is the sequence of the events that describe it.

CREATE TABLE projects (
    id BIGSERIAL PRIMARY KEY,
    name TEXT NOT NULL CHECK (name <> '' AND name = btrim(name)),
    regression JSONB NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(regression) = 'object'),
    version INTEGER NOT NULL DEFAULT 1 CHECK (version >= 1),
    created_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
    CONSTRAINT projects_name_key UNIQUE (name)
);

CREATE TABLE users (
    id BIGSERIAL PRIMARY KEY,
    name TEXT NOT NULL CHECK (name <> '' AND name = btrim(name)),
    role TEXT NOT NULL CHECK (role IN ('viewer', 'creator', 'admin')),
    created_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
    CONSTRAINT users_name_key UNIQUE (name)
);

-- Only a hash is kept: who reads this table cannot act as anybody.
CREATE TABLE tokens (
    id UUID PRIMARY KEY,
    number BIGSERIAL,
    user_id BIGINT NOT NULL REFERENCES users(id) ON DELETE CASCADE ON UPDATE CASCADE,
    token_hash TEXT NOT NULL CHECK (token_hash ~ '^[0-9a-f]{64}$'),
    label TEXT NOT NULL DEFAULT '',
    expires_at TIMESTAMPTZ NOT NULL,
    revoked_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
    CONSTRAINT tokens_token_hash_key UNIQUE (token_hash),
    CHECK (expires_at > created_at)
);

CREATE INDEX idx_tokens_user_id ON tokens(user_id, number);

CREATE TRIGGER set_updated_at BEFORE UPDATE ON projects FOR EACH ROW EXECUTE FUNCTION trigger_set_updated_at();
CREATE TRIGGER set_updated_at BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION trigger_set_updated_at();
CREATE TRIGGER set_updated_at BEFORE UPDATE ON tokens FOR EACH ROW EXECUTE FUNCTION trigger_set_updated_at();
