-- What was said of a segment's drift: it depends on its chain, and so is no part of the clip's measurement.

ALTER TABLE quality_scores ADD COLUMN drift JSONB CHECK (jsonb_typeof(drift) = 'object');
COMMENT ON COLUMN quality_scores.drift IS 'metric -> reading, as in measurements.readings';
