-- A scene may be made with something else after it was planned: the newest plan is kept.
ALTER TABLE scenes ADD COLUMN sequence BIGINT NOT NULL DEFAULT 0;
