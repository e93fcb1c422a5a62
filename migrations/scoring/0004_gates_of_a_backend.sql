-- On which identity back-end's scale a gate's limits are; NULL: whichever measured, and for every other metric.

ALTER TABLE quality_gates ADD COLUMN identity_backend TEXT;
