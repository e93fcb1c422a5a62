-- A row without a payload takes the newest event of its key out of a compacted topic.
ALTER TABLE outbox ALTER COLUMN payload DROP NOT NULL;
