-- Test shots are scored like any other clip.

ALTER TABLE scored_segments DROP CONSTRAINT scored_segments_purpose_check;
ALTER TABLE scored_segments ADD CONSTRAINT scored_segments_purpose_check
    CHECK (purpose IN ('scene', 'baseline', 'regression', 'rollback_proof', 'test_shot'));
