CREATE TABLE assets (
    id BIGSERIAL PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('workflow', 'lora', 'model')),
    name TEXT NOT NULL CHECK (name <> '' AND name = btrim(name)),
    active_version_id BIGINT,
    version_count INTEGER NOT NULL DEFAULT 0 CHECK (version_count >= 0),
    activation_count INTEGER NOT NULL DEFAULT 0 CHECK (activation_count >= 0),
    created_by TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
    CONSTRAINT assets_kind_name_key UNIQUE (kind, name),
    CONSTRAINT assets_id_kind_key UNIQUE (id, kind)
);

-- A version is written once. `kind` repeats the asset's, so that a file name is unique among the files of its folder in
-- the render engine. `graph` is JSON and not JSONB, which would rewrite numbers under the checksum.
CREATE TABLE asset_versions (
    id BIGSERIAL PRIMARY KEY,
    asset_id BIGINT NOT NULL,
    kind TEXT NOT NULL,
    version INTEGER NOT NULL CHECK (version >= 1),
    checksum TEXT NOT NULL CHECK (checksum ~ '^[0-9a-f]{64}$'),
    file_name TEXT,
    graph JSON,
    bindings JSONB,
    note TEXT NOT NULL DEFAULT '',
    published_by TEXT NOT NULL,
    published_at TIMESTAMPTZ NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
    CONSTRAINT asset_versions_asset_id_kind_fkey
        FOREIGN KEY (asset_id, kind) REFERENCES assets(id, kind),
    CONSTRAINT asset_versions_asset_id_version_key UNIQUE (asset_id, version),
    CONSTRAINT asset_versions_asset_id_id_key UNIQUE (asset_id, id),
    CONSTRAINT asset_versions_kind_file_name_key UNIQUE (kind, file_name),
    CONSTRAINT asset_versions_content_check CHECK (
        CASE kind
            WHEN 'workflow' THEN graph IS NOT NULL AND bindings IS NOT NULL AND file_name IS NULL
            ELSE graph IS NULL AND bindings IS NULL AND file_name IS NOT NULL
        END
    )
);

ALTER TABLE assets ADD CONSTRAINT assets_active_version_fkey
    FOREIGN KEY (id, active_version_id) REFERENCES asset_versions(asset_id, id);

-- Every time another version became active; `sequence` is the one of `asset.updated`.
CREATE TABLE asset_activations (
    id BIGSERIAL PRIMARY KEY,
    asset_id BIGINT NOT NULL REFERENCES assets(id),
    sequence INTEGER NOT NULL CHECK (sequence >= 1),
    version_id BIGINT NOT NULL,
    previous_version_id BIGINT,
    cause TEXT NOT NULL CHECK (cause IN ('release', 'rollback')),
    run_id BIGINT,
    activated_by TEXT NOT NULL,
    activated_at TIMESTAMPTZ NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
    CONSTRAINT asset_activations_asset_id_sequence_key UNIQUE (asset_id, sequence),
    CONSTRAINT asset_activations_version_fkey
        FOREIGN KEY (asset_id, version_id) REFERENCES asset_versions(asset_id, id),
    CONSTRAINT asset_activations_previous_version_fkey
        FOREIGN KEY (asset_id, previous_version_id) REFERENCES asset_versions(asset_id, id),
    CHECK (previous_version_id IS DISTINCT FROM version_id),
    CHECK (cause <> 'rollback' OR previous_version_id IS NOT NULL)
);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are never changed or deleted', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$$;

CREATE TRIGGER written_once BEFORE UPDATE OR DELETE ON asset_versions FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER written_once BEFORE UPDATE OR DELETE ON asset_activations FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER set_updated_at BEFORE UPDATE ON assets FOR EACH ROW EXECUTE FUNCTION trigger_set_updated_at();
