-- The feed tells of boundaries that show, of those that somebody accepted, and of repairs that were refused.

ALTER TABLE activity DROP CONSTRAINT activity_kind_check;
ALTER TABLE activity ADD CONSTRAINT activity_kind_check
    CHECK (kind IN (
        'run_completed', 'segment_failed', 'segments_staled', 'boundary_red', 'boundary_accepted', 'repair_rejected'
    ));
