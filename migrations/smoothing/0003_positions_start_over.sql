-- A position that is to be rendered anew has no current version until it is.
ALTER TABLE positions ALTER COLUMN segment_id DROP NOT NULL;
COMMENT ON COLUMN positions.segment_id IS 'NULL: what was current was retired at `sequence`, and nothing has come since';
