-- The server where a job was asked; none in direct messages.
ALTER TABLE jobs ADD COLUMN server INTEGER;
UPDATE jobs SET server = (SELECT guild_id FROM deliveries WHERE job_id = jobs.id);

-- Whether the server wanted all pictures hidden behind spoilers when it was asked.
ALTER TABLE jobs ADD COLUMN covered INTEGER NOT NULL DEFAULT 0;

-- Those whose files a server may want removed some day.
CREATE INDEX jobs_of_servers ON jobs (server, settled_at) WHERE forgotten_at IS NULL AND server IS NOT NULL;

-- What was decided before counts as taken out of the moderators' channel: nobody noted whether it was.
UPDATE reviews SET channel_id = NULL, message_id = NULL
WHERE state != 'waiting' OR job_id IN (SELECT id FROM jobs WHERE forgotten_at IS NOT NULL);

-- Who changed which setting of a server, and how: as JSON, of a list what was taken out and what was put in.
CREATE TABLE server_changes (
    id INTEGER PRIMARY KEY,
    server INTEGER NOT NULL,
    name TEXT NOT NULL,
    was TEXT NOT NULL,
    became TEXT NOT NULL,
    changed_by INTEGER NOT NULL,
    changed_at REAL NOT NULL
);

CREATE INDEX server_changes_newest ON server_changes (server, id);

INSERT INTO server_changes (server, name, was, became, changed_by, changed_at)
SELECT server, name, 'null', value, changed_by, changed_at FROM server_settings ORDER BY changed_at;
