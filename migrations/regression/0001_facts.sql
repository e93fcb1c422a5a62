-- Copies of other services' facts, kept up to date by their events. `sequence` is the aggregate's version: an older
-- event does not overwrite a newer one.

CREATE TABLE projects (
    id BIGINT PRIMARY KEY,
    name TEXT NOT NULL,
    regression JSONB NOT NULL,
    sequence BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE TRIGGER set_updated_at BEFORE UPDATE ON projects FOR EACH ROW EXECUTE FUNCTION trigger_set_updated_at();

CREATE TABLE characters (
    id BIGINT PRIMARY KEY,
    project_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    sequence BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE TRIGGER set_updated_at BEFORE UPDATE ON characters FOR EACH ROW EXECUTE FUNCTION trigger_set_updated_at();

CREATE TABLE scene_types (
    id BIGINT PRIMARY KEY,
    project_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    sequence BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE TRIGGER set_updated_at BEFORE UPDATE ON scene_types FOR EACH ROW EXECUTE FUNCTION trigger_set_updated_at();

CREATE TABLE asset_versions (
    id BIGINT PRIMARY KEY,
    asset_id BIGINT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('workflow', 'lora', 'model')),
    name TEXT NOT NULL,
    version INTEGER NOT NULL,
    checksum TEXT NOT NULL,
    file_name TEXT,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE INDEX idx_asset_versions_asset_id ON asset_versions (asset_id);

CREATE TABLE assets (
    id BIGINT PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('workflow', 'lora', 'model')),
    name TEXT NOT NULL,
    active_version_id BIGINT NOT NULL,
    previous_version_id BIGINT,
    sequence BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE TRIGGER set_updated_at BEFORE UPDATE ON assets FOR EACH ROW EXECUTE FUNCTION trigger_set_updated_at();

-- People's scenes: what a reference is made of.
CREATE TABLE scenes (
    id BIGINT PRIMARY KEY,
    project_id BIGINT NOT NULL,
    character_id BIGINT NOT NULL,
    scene_type_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    seed_image_sha256 TEXT NOT NULL,
    source_image_sha256 TEXT NOT NULL,
    assets JSONB NOT NULL,
    segments JSONB NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE INDEX idx_scenes_project_id ON scenes (project_id);
CREATE INDEX idx_scenes_character_id ON scenes (character_id);
CREATE INDEX idx_scenes_scene_type_id ON scenes (scene_type_id);

-- Which positions of a scene are rendered. May come before the scene itself: other topic, other order.
CREATE TABLE scene_segments (
    scene_id BIGINT NOT NULL,
    position INTEGER NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (scene_id, position)
);

-- What is deleted stays deleted, even if an older fact of it comes late.
CREATE TABLE tombstones (
    kind TEXT NOT NULL CHECK (kind IN ('project', 'character', 'scene_type', 'scene')),
    id BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (kind, id)
);
