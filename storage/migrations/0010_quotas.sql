-- How many turns its asker gets with a job where others get one: decided when it was asked.
ALTER TABLE jobs ADD COLUMN weight INTEGER NOT NULL DEFAULT 1 CHECK (weight >= 1);

-- What somebody, or a server, has had today is counted from the jobs themselves.
CREATE INDEX jobs_by_day ON jobs (asker, created_at);
CREATE INDEX jobs_of_server_by_day ON jobs (server, created_at) WHERE server IS NOT NULL;

-- One row while the owner has paused drawing, else none.
CREATE TABLE pauses (
    only_one INTEGER NOT NULL PRIMARY KEY CHECK (only_one = 1),
    paused_by INTEGER NOT NULL,
    paused_at REAL NOT NULL
);
