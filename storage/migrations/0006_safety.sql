-- What was wanted with flagged pictures where and when a job was asked.
ALTER TABLE jobs ADD COLUMN safety TEXT NOT NULL DEFAULT 'off'
    CHECK (safety IN ('off', 'spoiler', 'hold', 'refuse'));

-- What the safety checker said.
ALTER TABLE pictures ADD COLUMN verdict TEXT NOT NULL DEFAULT 'unasked'
    CHECK (verdict IN ('unasked', 'clean', 'flagged', 'unchecked'));

-- Whatever changes what a job's message is to say after its end makes the answer owed once more.
ALTER TABLE deliveries ADD COLUMN round INTEGER NOT NULL DEFAULT 0;

-- Jobs whose pictures nobody sees before a moderator has.
CREATE TABLE reviews (
    job_id TEXT NOT NULL PRIMARY KEY REFERENCES jobs (id),
    server INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'approved', 'rejected')),
    held_at REAL NOT NULL,
    decided_by INTEGER CHECK ((decided_by IS NULL) = (state = 'waiting')),
    decided_at REAL CHECK ((decided_at IS NULL) = (state = 'waiting')),
    -- The message that shows it to moderators, if there is one.
    channel_id INTEGER,
    message_id INTEGER CHECK ((message_id IS NULL) = (channel_id IS NULL))
) WITHOUT ROWID;

CREATE INDEX reviews_waiting ON reviews (server, held_at) WHERE state = 'waiting';

-- What a server has decided, a row for each setting; what has none is as the owner decided.
CREATE TABLE server_settings (
    server INTEGER NOT NULL,
    name TEXT NOT NULL,
    -- As JSON.
    value TEXT NOT NULL,
    changed_by INTEGER NOT NULL,
    changed_at REAL NOT NULL,
    PRIMARY KEY (server, name)
) WITHOUT ROWID;
