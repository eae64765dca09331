-- What people have decided for themselves, a row for each setting; what has none is as it is for everybody.
CREATE TABLE person_settings (
    person INTEGER NOT NULL,
    name TEXT NOT NULL,
    -- As JSON.
    value TEXT NOT NULL,
    changed_at REAL NOT NULL,
    PRIMARY KEY (person, name)
) WITHOUT ROWID;

-- Whether only who asked may see it.
ALTER TABLE jobs ADD COLUMN private INTEGER NOT NULL DEFAULT 0 CHECK (private IN (0, 1));

-- One's own, newest first: ids sort by age.
CREATE INDEX jobs_by_asker ON jobs (asker, id);

CREATE INDEX jobs_by_parent ON jobs (parent) WHERE parent IS NOT NULL;

-- Whether who asked is to be called by a message of its own because an edit calls nobody, or was.
ALTER TABLE deliveries ADD COLUMN call TEXT CHECK (call IN ('owed', 'done'));

CREATE INDEX deliveries_calls_owed ON deliveries (job_id) WHERE call = 'owed';

-- What people had on a day of which they made us forget the rest: else that would give it back. Kept for that day.
CREATE TABLE spent (
    person INTEGER NOT NULL,
    -- None in direct messages.
    server INTEGER,
    day REAL NOT NULL,
    pictures INTEGER NOT NULL
);

CREATE INDEX spent_by_person ON spent (person, day);
CREATE INDEX spent_by_server ON spent (server, day);
