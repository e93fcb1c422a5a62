-- Copies of catalog's projects, as far as they are needed: that there is one of that id.
CREATE TABLE projects (
    id BIGINT PRIMARY KEY,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
INSERT INTO projects (id) SELECT project_id FROM segments UNION SELECT project_id FROM boundary_thresholds;
