-- What renders need of a server, and which server lacks what of it: a job is only claimed for a server that can run it.

-- One row for each workflow version with the files that its assets bring. `requirements` is read off the filled graph.
CREATE TABLE render_needs (
    id BIGSERIAL PRIMARY KEY,
    workflow_version_id BIGINT NOT NULL,
    files JSONB NOT NULL CHECK (jsonb_typeof(files) = 'object'),
    requirements JSONB CHECK (jsonb_typeof(requirements) = 'object'),
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    UNIQUE (workflow_version_id, files)
);
CREATE TRIGGER set_updated_at BEFORE UPDATE ON render_needs
    FOR EACH ROW EXECUTE FUNCTION trigger_set_updated_at();

-- Only servers that lack something. One that has not said what it has is in no row.
CREATE TABLE unfit_servers (
    server TEXT NOT NULL REFERENCES render_servers (name) ON DELETE CASCADE ON UPDATE CASCADE,
    needs_id BIGINT NOT NULL REFERENCES render_needs (id) ON DELETE CASCADE ON UPDATE CASCADE,
    lacks TEXT[] NOT NULL CHECK (cardinality(lacks) > 0),
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (server, needs_id)
);
CREATE INDEX idx_unfit_servers_needs_id ON unfit_servers (needs_id);
CREATE TRIGGER set_updated_at BEFORE UPDATE ON unfit_servers
    FOR EACH ROW EXECUTE FUNCTION trigger_set_updated_at();

-- Work that is queued already gets its needs here; the service reads their requirements off the graph when it starts.
ALTER TABLE generation_jobs ADD COLUMN needs_id BIGINT;
WITH scene_needs AS (
    SELECT scene.id, scene.workflow_version_id, coalesce(
        (SELECT jsonb_object_agg(CASE asset ->> 'kind' WHEN 'lora' THEN 'lora_name' ELSE 'model_name' END,
            asset ->> 'file_name')
        FROM jsonb_array_elements(scene.assets) AS asset WHERE asset ->> 'kind' IN ('lora', 'model')), '{}') AS files
    FROM scenes AS scene WHERE EXISTS (SELECT 1 FROM generation_jobs WHERE scene_id = scene.id)
), added AS (
    INSERT INTO render_needs (workflow_version_id, files)
    SELECT DISTINCT workflow_version_id, files FROM scene_needs RETURNING id, workflow_version_id, files
)
UPDATE generation_jobs AS job SET needs_id = added.id
FROM scene_needs JOIN added USING (workflow_version_id, files) WHERE scene_needs.id = job.scene_id;
ALTER TABLE generation_jobs ALTER COLUMN needs_id SET NOT NULL;
ALTER TABLE generation_jobs ADD CONSTRAINT generation_jobs_needs_id_fkey
    FOREIGN KEY (needs_id) REFERENCES render_needs (id) ON UPDATE CASCADE;
