-- What was measured at the cut between two versions. The columns of the segments show the pair that is current.

CREATE TABLE seams (
    previous_segment_id BIGINT NOT NULL REFERENCES segments (id) ON DELETE CASCADE ON UPDATE CASCADE,
    next_segment_id BIGINT NOT NULL REFERENCES segments (id) ON DELETE CASCADE ON UPDATE CASCADE,
    ssim DOUBLE PRECISION CHECK (ssim BETWEEN -1 AND 1),
    sequence BIGINT NOT NULL CHECK (sequence >= 0),
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (previous_segment_id, next_segment_id)
);
CREATE INDEX idx_seams_next_segment_id ON seams (next_segment_id);
CREATE TRIGGER set_updated_at BEFORE UPDATE ON seams
    FOR EACH ROW EXECUTE FUNCTION trigger_set_updated_at();

COMMENT ON COLUMN seams.ssim IS 'of the two frames that meet; NULL: it could not be measured';
