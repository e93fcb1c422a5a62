-- Copies of other services' facts, fed by events. `sequence` is the highest one seen: older events change nothing.

CREATE TABLE projects (
    id BIGINT PRIMARY KEY,
    name TEXT NOT NULL,
    sequence BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE TRIGGER set_updated_at BEFORE UPDATE ON projects
    FOR EACH ROW EXECUTE FUNCTION trigger_set_updated_at();

CREATE TABLE characters (
    id BIGINT PRIMARY KEY,
    project_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    source_image_sha256 TEXT NOT NULL CHECK (source_image_sha256 ~ '^[0-9a-f]{64}$'),
    sequence BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE TRIGGER set_updated_at BEFORE UPDATE ON characters
    FOR EACH ROW EXECUTE FUNCTION trigger_set_updated_at();

CREATE TABLE scene_types (
    id BIGINT PRIMARY KEY,
    project_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    segment_count INTEGER NOT NULL CHECK (segment_count BETWEEN 1 AND 100),
    parameters JSONB NOT NULL,
    sequence BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE TRIGGER set_updated_at BEFORE UPDATE ON scene_types
    FOR EACH ROW EXECUTE FUNCTION trigger_set_updated_at();

CREATE TABLE asset_versions (
    id BIGINT PRIMARY KEY,
    asset_id BIGINT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('workflow', 'lora', 'model')),
    name TEXT NOT NULL,
    version INTEGER NOT NULL CHECK (version >= 1),
    checksum TEXT NOT NULL CHECK (checksum ~ '^[0-9a-f]{64}$'),
    file_name TEXT,
    graph JSONB,
    bindings JSONB,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CHECK ((kind = 'workflow') = (graph IS NOT NULL)),
    CHECK ((kind = 'workflow') = (bindings IS NOT NULL))
);
CREATE INDEX idx_asset_versions_asset_id ON asset_versions (asset_id);

CREATE TABLE active_assets (
    asset_id BIGINT PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('workflow', 'lora', 'model')),
    name TEXT NOT NULL,
    version_id BIGINT NOT NULL,
    sequence BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE TRIGGER set_updated_at BEFORE UPDATE ON active_assets
    FOR EACH ROW EXECUTE FUNCTION trigger_set_updated_at();

-- Ids that will never be valid again: an event about one of them that comes late must not bring it back.
CREATE TABLE tombstones (
    kind TEXT NOT NULL CHECK (kind IN ('project', 'character', 'scene_type')),
    id BIGINT NOT NULL,
    deleted_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (kind, id)
);

-- A cancellation travels on another topic than its request, so it may come first.
CREATE TABLE cancelled_requests (
    request_id UUID PRIMARY KEY,
    reason TEXT NOT NULL,
    cancelled_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
