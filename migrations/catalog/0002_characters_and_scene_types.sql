CREATE TABLE characters (
    id BIGSERIAL PRIMARY KEY,
    project_id BIGINT NOT NULL REFERENCES projects(id) ON DELETE CASCADE ON UPDATE CASCADE,
    name TEXT NOT NULL CHECK (name <> '' AND name = btrim(name)),
    source_image_sha256 TEXT NOT NULL CHECK (source_image_sha256 ~ '^[0-9a-f]{64}$'),
    source_image_width INTEGER NOT NULL CHECK (source_image_width > 0),
    source_image_height INTEGER NOT NULL CHECK (source_image_height > 0),
    version INTEGER NOT NULL DEFAULT 1 CHECK (version >= 1),
    created_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
    CONSTRAINT characters_project_id_name_key UNIQUE (project_id, name)
);

CREATE TABLE scene_types (
    id BIGSERIAL PRIMARY KEY,
    project_id BIGINT NOT NULL REFERENCES projects(id) ON DELETE CASCADE ON UPDATE CASCADE,
    name TEXT NOT NULL CHECK (name <> '' AND name = btrim(name)),
    segment_count INTEGER NOT NULL CHECK (segment_count BETWEEN 1 AND 100),
    parameters JSONB NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(parameters) = 'object'),
    version INTEGER NOT NULL DEFAULT 1 CHECK (version >= 1),
    created_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
    CONSTRAINT scene_types_project_id_name_key UNIQUE (project_id, name)
);

CREATE TRIGGER set_updated_at BEFORE UPDATE ON characters FOR EACH ROW EXECUTE FUNCTION trigger_set_updated_at();
CREATE TRIGGER set_updated_at BEFORE UPDATE ON scene_types FOR EACH ROW EXECUTE FUNCTION trigger_set_updated_at();
