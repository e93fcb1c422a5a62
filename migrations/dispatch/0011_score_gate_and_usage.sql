-- A chain that waits for the score of each segment, and a ledger of what was rendered and what was not.

ALTER TABLE scenes
    ADD COLUMN gate_wait_for TEXT CHECK (gate_wait_for IN ('pass', 'warn')),
    ADD COLUMN gate_retries INTEGER CHECK (gate_retries BETWEEN 0 AND 10),
    ADD COLUMN hold_state TEXT CHECK (hold_state IN ('waiting', 'retrying', 'paused')),
    ADD COLUMN hold_segment_id BIGINT,
    ADD COLUMN hold_position INTEGER,
    ADD COLUMN hold_reason TEXT NOT NULL DEFAULT '',
    ADD COLUMN hold_until TIMESTAMPTZ,
    ADD CONSTRAINT scenes_gate_is_whole CHECK ((gate_wait_for IS NULL) = (gate_retries IS NULL)),
    ADD CONSTRAINT scenes_hold_needs_a_gate CHECK (hold_state IS NULL OR gate_wait_for IS NOT NULL),
    ADD CONSTRAINT scenes_hold_is_whole CHECK (
        (hold_state IS NULL) = (hold_segment_id IS NULL) AND (hold_state IS NULL) = (hold_position IS NULL)),
    ADD CONSTRAINT scenes_only_waiting_has_a_deadline
        CHECK ((hold_state IS NOT DISTINCT FROM 'waiting') = (hold_until IS NOT NULL)),
    ADD CONSTRAINT scenes_only_rendering_are_held CHECK (hold_state IS NULL OR state = 'rendering');
CREATE INDEX idx_scenes_hold_until ON scenes (hold_until) WHERE hold_state = 'waiting';

COMMENT ON COLUMN scenes.gate_wait_for IS 'the worst verdict with which a segment lets its chain go on; NULL: no gate';
COMMENT ON COLUMN scenes.hold_segment_id IS 'the version at the end of the chain that is waited for';
COMMENT ON COLUMN scenes.hold_until IS 'when a score that has not come is not waited for any longer';

ALTER TABLE segments ADD COLUMN is_retry BOOLEAN NOT NULL DEFAULT false;
COMMENT ON COLUMN segments.is_retry IS 'rendered under another seed because the score of the version before did not pass';

-- Written when it happens, so that it outlives its scene. Ids are plain columns for the same reason.
CREATE TABLE usage_entries (
    id BIGSERIAL PRIMARY KEY,
    entry TEXT NOT NULL CHECK (entry IN ('rendered', 'saved_by_regeneration', 'saved_by_promotion')),
    work TEXT NOT NULL CHECK (work IN ('test_shot', 'regeneration', 'retry', 'scene', 'regression')),
    purpose TEXT NOT NULL CHECK (purpose IN ('scene', 'baseline', 'regression', 'rollback_proof', 'test_shot')),
    tier TEXT NOT NULL CHECK (tier IN ('draft', 'full')),
    project_id BIGINT NOT NULL,
    scene_id BIGINT NOT NULL,
    segment_id BIGINT NOT NULL,
    segments INTEGER NOT NULL,
    render_seconds DOUBLE PRECISION NOT NULL,
    queued_seconds DOUBLE PRECISION NOT NULL DEFAULT 0,
    happened_at TIMESTAMPTZ NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CHECK (entry = 'saved_by_regeneration' OR (segments > 0 AND render_seconds >= 0))
);
CREATE INDEX idx_usage_entries_happened_at ON usage_entries (happened_at);
CREATE INDEX idx_usage_entries_project_id ON usage_entries (project_id, happened_at);

COMMENT ON COLUMN usage_entries.segments IS 'negative where a cascade renders again what a regeneration had saved';

INSERT INTO usage_entries (entry, work, purpose, tier, project_id, scene_id, segment_id, segments, render_seconds,
    queued_seconds, happened_at)
SELECT 'rendered',
    CASE WHEN scene.purpose = 'test_shot' THEN 'test_shot' WHEN scene.purpose <> 'scene' THEN 'regression'
        WHEN segment.regeneration_count > 0 THEN 'regeneration' ELSE 'scene' END,
    scene.purpose, scene.tier, scene.project_id, scene.id, segment.id, 1, segment.render_seconds,
    segment.queued_seconds, segment.generated_at
FROM segments AS segment JOIN scenes AS scene ON scene.id = segment.scene_id
WHERE segment.state = 'generated'
    AND NOT EXISTS (SELECT 1 FROM test_shots WHERE promoted_segment_id = segment.id)
ORDER BY segment.generated_at;

INSERT INTO usage_entries (entry, work, purpose, tier, project_id, scene_id, segment_id, segments, render_seconds,
    happened_at)
SELECT 'saved_by_promotion', 'scene', scene.purpose, scene.tier, scene.project_id, scene.id, segment.id, 1,
    coalesce(shot.render_seconds, 0), segment.generated_at
FROM test_shots AS shot JOIN segments AS segment ON segment.id = shot.promoted_segment_id
JOIN scenes AS scene ON scene.id = segment.scene_id
WHERE segment.state = 'generated'
ORDER BY segment.generated_at;
