-- The feed tells of scenes that wait for a person, since a segment did not pass their score gate.

ALTER TABLE activity DROP CONSTRAINT activity_kind_check;
ALTER TABLE activity ADD CONSTRAINT activity_kind_check
    CHECK (kind IN (
        'run_completed', 'segment_failed', 'segments_staled', 'scene_paused', 'boundary_red', 'boundary_accepted',
        'repair_rejected'
    ));
