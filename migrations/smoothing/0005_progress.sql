-- How far the making of a repair is, for whoever waits for it.
ALTER TABLE boundary_repairs
    ADD COLUMN frames_done INTEGER CHECK (frames_done BETWEEN 0 AND frames_total),
    ADD COLUMN frames_total INTEGER CHECK (frames_total >= 1),
    ADD CHECK ((frames_done IS NULL) = (frames_total IS NULL));
COMMENT ON COLUMN boundary_repairs.frames_done IS 'encoded in the attempt that was begun last; NULL until one is';
