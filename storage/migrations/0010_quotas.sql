-- How many turns its asker gets with a job where others get one: decided when it was asked.
ALTER TABLE jobs ADD COLUMN weight INTEGER NOT NULL DEFAULT 1 CHECK (weight >= 1);

-- What somebody has had today is counted from the jobs themselves.
CREATE INDEX jobs_by_day ON jobs (asker, created_at);

-- What a server allows, a row for each limit; what has none is as the owner of the bot decided.
CREATE TABLE quotas (
    server INTEGER NOT NULL,
    -- The server's own id stands for everyone, as it does in Discord.
    role INTEGER NOT NULL,
    name TEXT NOT NULL,
    value INTEGER NOT NULL CHECK (value > 0),
    changed_by INTEGER NOT NULL,
    changed_at REAL NOT NULL,
    PRIMARY KEY (server, role, name)
) WITHOUT ROWID;

-- One row while the owner has paused drawing, else none.
CREATE TABLE pauses (
    only_one INTEGER NOT NULL PRIMARY KEY CHECK (only_one = 1),
    paused_by INTEGER NOT NULL,
    paused_at REAL NOT NULL
);
