-- The feed tells of segments that no longer continue what is before them.

ALTER TABLE activity DROP CONSTRAINT activity_kind_check;
ALTER TABLE activity ADD CONSTRAINT activity_kind_check
    CHECK (kind IN ('run_completed', 'segment_failed', 'segments_staled'));
