CREATE TABLE deliveries (
    job_id TEXT NOT NULL PRIMARY KEY REFERENCES jobs (id),
    state TEXT NOT NULL CHECK (state IN ('open', 'owed', 'done', 'abandoned')),
    -- Why it was abandoned.
    reason TEXT CHECK ((reason IS NOT NULL) = (state = 'abandoned')),
    application_id INTEGER NOT NULL,
    guild_id INTEGER,
    channel_id INTEGER NOT NULL,
    user_id INTEGER NOT NULL,
    token TEXT NOT NULL,
    token_expires_at REAL NOT NULL,
    message_id INTEGER
, file_limit INTEGER NOT NULL DEFAULT 10485760, round INTEGER NOT NULL DEFAULT 0, locale TEXT NOT NULL DEFAULT 'en', call TEXT CHECK (call IN ('owed', 'done'))) WITHOUT ROWID;

CREATE TABLE durations (
    id INTEGER PRIMARY KEY,
    -- The model and what else decides how long a step takes.
    kind TEXT NOT NULL,
    -- Of the finished picture.
    pixels INTEGER NOT NULL CHECK (pixels > 0),
    steps INTEGER NOT NULL CHECK (steps > 0),
    -- Steps times megapixels.
    work REAL NOT NULL CHECK (work > 0),
    -- Of the machine's time, for one picture.
    seconds REAL NOT NULL CHECK (seconds > 0),
    -- How many jobs were drawn at a time, on average.
    together REAL NOT NULL,
    drawn_at REAL NOT NULL
);

CREATE TABLE inputs (
    job_id TEXT NOT NULL REFERENCES jobs (id),
    digest TEXT NOT NULL,
    PRIMARY KEY (job_id, digest)
) WITHOUT ROWID;

CREATE TABLE jobs (
    id TEXT NOT NULL PRIMARY KEY,
    asker INTEGER NOT NULL,
    parent TEXT REFERENCES jobs (id),
    prompt TEXT NOT NULL,
    negative_prompt TEXT NOT NULL,
    model TEXT NOT NULL,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    steps INTEGER NOT NULL,
    guidance REAL NOT NULL,
    sampler TEXT NOT NULL,
    seed INTEGER NOT NULL,
    count INTEGER NOT NULL,
    -- A job that runs is still 'queued' here: after a crash both are drawn again.
    state TEXT NOT NULL CHECK (state IN ('queued', 'done', 'failed', 'cancelled')),
    failure TEXT CHECK ((failure IS NOT NULL) = (state = 'failed')),
    -- Seconds since the epoch, UTC, as are all times.
    created_at REAL NOT NULL,
    settled_at REAL CHECK ((settled_at IS NULL) = (state = 'queued')),
    -- When its pictures were taken away; the settings stay.
    forgotten_at REAL
, clip_skip INTEGER NOT NULL DEFAULT 1, more TEXT NOT NULL DEFAULT '{}', safety TEXT NOT NULL DEFAULT 'off'
    CHECK (safety IN ('off', 'spoiler', 'hold', 'refuse')), private INTEGER NOT NULL DEFAULT 0 CHECK (private IN (0, 1)), server INTEGER, covered INTEGER NOT NULL DEFAULT 0, weight INTEGER NOT NULL DEFAULT 1 CHECK (weight >= 1));

CREATE TABLE migrations (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    checksum TEXT NOT NULL,
    applied_at REAL NOT NULL
);

CREATE TABLE pauses (
    only_one INTEGER NOT NULL PRIMARY KEY CHECK (only_one = 1),
    paused_by INTEGER NOT NULL,
    paused_at REAL NOT NULL
);

CREATE TABLE person_settings (
    person INTEGER NOT NULL,
    name TEXT NOT NULL,
    -- As JSON.
    value TEXT NOT NULL,
    changed_at REAL NOT NULL,
    PRIMARY KEY (person, name)
) WITHOUT ROWID;

CREATE TABLE pictures (
    job_id TEXT NOT NULL REFERENCES jobs (id),
    -- The picture's index in its request, from 0.
    position INTEGER NOT NULL,
    seed INTEGER NOT NULL,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    -- SHA-256 of the file, which is named after it; several rows may share one file.
    digest TEXT NOT NULL,
    byte_count INTEGER NOT NULL, verdict TEXT NOT NULL DEFAULT 'unasked'
    CHECK (verdict IN ('unasked', 'clean', 'flagged', 'unchecked')),
    PRIMARY KEY (job_id, position)
) WITHOUT ROWID;

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

CREATE TABLE server_changes (
    id INTEGER PRIMARY KEY,
    server INTEGER NOT NULL,
    name TEXT NOT NULL,
    was TEXT NOT NULL,
    became TEXT NOT NULL,
    changed_by INTEGER NOT NULL,
    changed_at REAL NOT NULL
);

CREATE TABLE server_settings (
    server INTEGER NOT NULL,
    name TEXT NOT NULL,
    -- As JSON.
    value TEXT NOT NULL,
    changed_by INTEGER NOT NULL,
    changed_at REAL NOT NULL,
    PRIMARY KEY (server, name)
) WITHOUT ROWID;

CREATE TABLE spent (
    person INTEGER NOT NULL,
    -- None in direct messages.
    server INTEGER,
    day REAL NOT NULL,
    pictures INTEGER NOT NULL
);

CREATE TABLE styles (
    kind TEXT NOT NULL CHECK (kind IN ('server', 'person')),
    -- The id of that server or person.
    owner INTEGER NOT NULL,
    -- The name as far as names are told apart.
    key TEXT NOT NULL,
    name TEXT NOT NULL,
    prompt TEXT NOT NULL,
    negative_prompt TEXT NOT NULL,
    saved_by INTEGER NOT NULL,
    saved_at REAL NOT NULL,
    PRIMARY KEY (kind, owner, key)
) WITHOUT ROWID;

CREATE INDEX deliveries_calls_owed ON deliveries (job_id) WHERE call = 'owed';

CREATE INDEX deliveries_owed ON deliveries (job_id) WHERE state = 'owed';

CREATE INDEX durations_alike ON durations (kind, pixels, steps, id);

CREATE INDEX inputs_by_digest ON inputs (digest);

CREATE INDEX jobs_by_asker ON jobs (asker, id);

CREATE INDEX jobs_by_day ON jobs (asker, created_at);

CREATE INDEX jobs_by_parent ON jobs (parent) WHERE parent IS NOT NULL;

CREATE INDEX jobs_of_server_by_day ON jobs (server, created_at) WHERE server IS NOT NULL;

CREATE INDEX jobs_of_servers ON jobs (server, settled_at) WHERE forgotten_at IS NULL AND server IS NOT NULL;

CREATE INDEX jobs_unfinished ON jobs (created_at, id) WHERE settled_at IS NULL;

CREATE INDEX pictures_by_digest ON pictures (digest);

CREATE INDEX reviews_waiting ON reviews (server, held_at) WHERE state = 'waiting';

CREATE INDEX server_changes_newest ON server_changes (server, id);

CREATE INDEX spent_by_person ON spent (person, day);

CREATE INDEX spent_by_server ON spent (server, day);
