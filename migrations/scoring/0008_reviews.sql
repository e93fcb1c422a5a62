-- Who decided what was reviewed, and with what words: kept beside the scores, as a person's measure of the same clip.

ALTER TABLE scored_segments ADD COLUMN reviewed_by TEXT, ADD COLUMN review_note TEXT;
