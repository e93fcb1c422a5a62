-- A prompt may wait on its server behind the one that runs there; what waits can be taken back.

-- When it was seen to run; until then it only waits there.
ALTER TABLE generation_attempts ADD COLUMN began_at TIMESTAMPTZ;
ALTER TABLE generation_attempts DROP CONSTRAINT generation_attempts_state_check;
ALTER TABLE generation_attempts ADD CONSTRAINT generation_attempts_state_check CHECK (
    state IN ('prepared', 'submitted', 'adopted', 'failed', 'lost', 'abandoned', 'withdrawn'));
