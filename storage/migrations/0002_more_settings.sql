ALTER TABLE jobs ADD COLUMN clip_skip INTEGER NOT NULL DEFAULT 1;
-- As JSON, the settings that have parts of their own; those that a request does without are left out.
ALTER TABLE jobs ADD COLUMN more TEXT NOT NULL DEFAULT '{}';
