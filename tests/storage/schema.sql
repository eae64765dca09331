CREATE VIEW gallery_spellings AS SELECT id, '^' || word || '$' AS spelling FROM gallery_words;

CREATE VIEW post_words AS SELECT posts.id AS post, posts.id >> 32 AS gallery, value AS word, min(key) AS number
FROM posts, json_each('["' || replace(trim(heading || ' ' || words), ' ', '","') || '"]')
WHERE value != '' AND hidden_at IS NULL GROUP BY posts.id, value;

CREATE VIEW posts_as_found AS
SELECT id, heading, words, char(57344) || 'l' || tier || ' ' || facets AS facets FROM posts WHERE hidden_at IS NULL;

CREATE VIEW posts_counted AS SELECT id, tags FROM posts WHERE hidden_at IS NULL;

CREATE TRIGGER boards_of_what_goes BEFORE DELETE ON posts BEGIN
    UPDATE boards SET outdated = outdated + 1
    WHERE server = old.server AND EXISTS (SELECT 1 FROM json_each(boards.posts) WHERE value = old.id);
END;

CREATE TRIGGER boards_of_what_is_hidden AFTER UPDATE OF hidden_at ON posts BEGIN
    UPDATE boards SET outdated = outdated + 1
    WHERE server = old.server AND EXISTS (SELECT 1 FROM json_each(boards.posts) WHERE value = old.id);
END;

CREATE TRIGGER gallery_words_spelled AFTER INSERT ON gallery_words BEGIN
    INSERT INTO gallery_trigrams (rowid, spelling) VALUES (new.id, '^' || new.word || '$');
END;

CREATE TRIGGER gallery_words_unspelled AFTER DELETE ON gallery_words BEGIN
    INSERT INTO gallery_trigrams (gallery_trigrams, rowid, spelling)
    VALUES ('delete', old.id, '^' || old.word || '$');
END;

CREATE TRIGGER likes_counted AFTER INSERT ON likes BEGIN
    UPDATE posts SET likes = likes + 1 WHERE id = new.post;
END;

CREATE TRIGGER likes_discounted AFTER DELETE ON likes BEGIN
    UPDATE posts SET likes = likes - 1 WHERE id = old.post;
END;

CREATE TRIGGER posts_counted_after AFTER UPDATE OF hidden_at ON posts WHEN new.hidden_at IS NULL BEGIN
    INSERT INTO posts_counted (id, tags) VALUES (new.id, new.tags);
END;

CREATE TRIGGER posts_counted_before BEFORE UPDATE OF hidden_at ON posts BEGIN
    DELETE FROM posts_counted WHERE id = old.id;
END;

CREATE TRIGGER posts_counted_from_now AFTER INSERT ON posts WHEN new.hidden_at IS NULL BEGIN
    INSERT INTO posts_counted (id, tags) VALUES (new.id, new.tags);
END;

CREATE TRIGGER posts_counted_no_more BEFORE DELETE ON posts BEGIN
    DELETE FROM posts_counted WHERE id = old.id;
END;

CREATE TRIGGER posts_found_after AFTER UPDATE OF heading, facets, hidden_at ON posts
BEGIN
    INSERT INTO posts_found (rowid, heading, words, facets)
    SELECT id, heading, words, facets FROM posts_as_found WHERE id = new.id;
END;

CREATE TRIGGER posts_found_after_of_likes AFTER UPDATE OF likes ON posts
WHEN (old.likes | new.likes) - (old.likes & new.likes) > (old.likes & new.likes)
BEGIN
    INSERT INTO posts_found (rowid, heading, words, facets)
    SELECT id, heading, words, facets FROM posts_as_found WHERE id = new.id;
END;

CREATE TRIGGER posts_found_before BEFORE UPDATE OF heading, facets, hidden_at ON posts
BEGIN
    INSERT INTO posts_found (posts_found, rowid, heading, words, facets)
    SELECT 'delete', id, heading, words, facets FROM posts_as_found WHERE id = old.id;
END;

CREATE TRIGGER posts_found_before_of_likes BEFORE UPDATE OF likes ON posts
-- Whether their highest bits differ. `tier` is not to be asked: before an update, the new one is not computed.
WHEN (old.likes | new.likes) - (old.likes & new.likes) > (old.likes & new.likes)
BEGIN
    INSERT INTO posts_found (posts_found, rowid, heading, words, facets)
    SELECT 'delete', id, heading, words, facets FROM posts_as_found WHERE id = old.id;
END;

CREATE TRIGGER posts_found_from_now AFTER INSERT ON posts BEGIN
    INSERT INTO posts_found (rowid, heading, words, facets)
    SELECT id, heading, words, facets FROM posts_as_found WHERE id = new.id;
END;

CREATE TRIGGER posts_found_no_more BEFORE DELETE ON posts BEGIN
    INSERT INTO posts_found (posts_found, rowid, heading, words, facets)
    SELECT 'delete', id, heading, words, facets FROM posts_as_found WHERE id = old.id;
END;

CREATE TRIGGER posts_taken_down BEFORE DELETE ON posts WHEN old.message_id IS NOT NULL BEGIN
    INSERT OR IGNORE INTO takedowns (channel_id, message_id) VALUES (old.channel_id, old.message_id);
END;

CREATE TRIGGER words_counted INSTEAD OF INSERT ON posts_counted BEGIN
    INSERT INTO gallery_words (id, gallery, word, posts)
    SELECT
        number + 1 + coalesce(
            (SELECT max(id) FROM gallery_words WHERE id < (1 + (new.id >> 32)) << 32 AND id >= (new.id >> 32) << 32),
            (new.id >> 32) << 32
        ),
        gallery, word, 1
    FROM post_words WHERE post = new.id
    ON CONFLICT (gallery, word) DO UPDATE SET posts = posts + 1;
    INSERT INTO gallery_tags (gallery, tag, posts)
    SELECT DISTINCT new.id >> 32, value, 1 FROM json_each(new.tags) WHERE true
    ON CONFLICT (gallery, tag) DO UPDATE SET posts = posts + 1;
END;

CREATE TRIGGER words_discounted INSTEAD OF DELETE ON posts_counted BEGIN
    UPDATE gallery_words SET posts = posts - 1
    WHERE gallery = old.id >> 32 AND word IN (SELECT word FROM post_words WHERE post = old.id);
    DELETE FROM gallery_words
    WHERE gallery = old.id >> 32 AND word IN (SELECT word FROM post_words WHERE post = old.id) AND posts = 0;
    UPDATE gallery_tags SET posts = posts - 1
    WHERE gallery = old.id >> 32 AND tag IN (SELECT value FROM json_each(old.tags));
    DELETE FROM gallery_tags
    WHERE gallery = old.id >> 32 AND tag IN (SELECT value FROM json_each(old.tags)) AND posts = 0;
END;

CREATE TABLE boards (
    server INTEGER NOT NULL,
    -- Weeks since Monday the fifth of January 1970, UTC.
    week INTEGER NOT NULL,
    claimed_at REAL NOT NULL,
    channel_id INTEGER,
    message_id INTEGER CHECK ((message_id IS NULL) = (channel_id IS NULL)),
    -- The ids of what stands on it, the best first, as JSON.
    posts TEXT NOT NULL DEFAULT '[]',
    -- How often something has left it since its message was last brought up to date.
    outdated INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (server, week)
) WITHOUT ROWID;

CREATE TABLE decisions (
    id INTEGER PRIMARY KEY,
    server INTEGER NOT NULL,
    post INTEGER NOT NULL,
    -- Who shared it; 0: somebody who is forgotten, as in decided_by.
    person INTEGER NOT NULL,
    decision TEXT NOT NULL CHECK (decision IN ('kept', 'hidden', 'removed', 'shown')),
    decided_by INTEGER NOT NULL,
    decided_at REAL NOT NULL
);

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

CREATE TABLE eras (
    first INTEGER PRIMARY KEY,
    channel INTEGER NOT NULL,
    adults INTEGER NOT NULL
);

CREATE TABLE galleries (
    number INTEGER PRIMARY KEY,
    server INTEGER NOT NULL UNIQUE,
    -- How many posts there were: a number is given once, since buttons hold it.
    shared INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE gallery_tags (
    gallery INTEGER NOT NULL,
    tag TEXT NOT NULL,
    posts INTEGER NOT NULL,
    PRIMARY KEY (gallery, tag)
) WITHOUT ROWID;

CREATE VIRTUAL TABLE gallery_trigrams USING fts5 (
    spelling, content = 'gallery_spellings', content_rowid = 'id', tokenize = 'trigram',
    detail = 'none', columnsize = 0
);

CREATE TABLE 'gallery_trigrams_config'(k PRIMARY KEY, v) WITHOUT ROWID;

CREATE TABLE 'gallery_trigrams_data'(id INTEGER PRIMARY KEY, block BLOB);

CREATE TABLE 'gallery_trigrams_idx'(segid, term, pgno, PRIMARY KEY(segid, term)) WITHOUT ROWID;

CREATE TABLE gallery_words (
    id INTEGER PRIMARY KEY,
    gallery INTEGER NOT NULL,
    word TEXT NOT NULL,
    posts INTEGER NOT NULL,
    UNIQUE (gallery, word)
);

CREATE TABLE hidden_files (
    server INTEGER NOT NULL,
    digest TEXT NOT NULL,
    PRIMARY KEY (server, digest)
) WITHOUT ROWID;

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
    CHECK (safety IN ('off', 'spoiler', 'hold', 'refuse')), private INTEGER NOT NULL DEFAULT 0 CHECK (private IN (0, 1)), server INTEGER, covered INTEGER NOT NULL DEFAULT 0, weight INTEGER NOT NULL DEFAULT 1 CHECK (weight >= 1), parent_position INTEGER, for_adults INTEGER NOT NULL DEFAULT 0);

CREATE TABLE likes (
    post INTEGER NOT NULL REFERENCES posts (id) ON DELETE CASCADE,
    person INTEGER NOT NULL,
    liked_at REAL NOT NULL,
    PRIMARY KEY (post, person)
) WITHOUT ROWID;

CREATE TABLE migrations (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    checksum TEXT NOT NULL,
    applied_at REAL NOT NULL
);

CREATE TABLE notices (
    channel_id INTEGER NOT NULL,
    message_id INTEGER NOT NULL,
    server INTEGER NOT NULL,
    post INTEGER NOT NULL,
    job_id TEXT NOT NULL,
    position INTEGER NOT NULL,
    -- How often somebody whom it may name was forgotten since it was last told anew.
    outdated INTEGER NOT NULL DEFAULT 0,
    -- Whether it says that the post is hidden, which can be undone in it.
    says_hidden INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (channel_id, message_id)
) WITHOUT ROWID;

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

CREATE TABLE posts (
    id INTEGER PRIMARY KEY,
    server INTEGER NOT NULL,
    job_id TEXT NOT NULL,
    position INTEGER NOT NULL,
    -- Who asked for it and shares it.
    person INTEGER NOT NULL,
    shared_at REAL NOT NULL,
    -- Days since the epoch, UTC.
    day INTEGER NOT NULL,
    title TEXT,
    -- As JSON, a list.
    tags TEXT NOT NULL,
    -- What this picture was drawn from: the settings of its job, which may hold four others.
    prompt TEXT NOT NULL,
    model TEXT NOT NULL,
    style TEXT,
    -- As JSON, a list of names.
    loras TEXT NOT NULL,
    -- The words of the title and the tags, and those of the prompt, folded, each once, with spaces between them.
    heading TEXT NOT NULL,
    words TEXT NOT NULL,
    -- How many words these are.
    size INTEGER NOT NULL,
    -- What it can be filtered by, as words that begin with a character (U+E000) that no other word holds.
    facets TEXT NOT NULL,
    likes INTEGER NOT NULL DEFAULT 0 CHECK (likes >= 0),
    -- The likes to the next power of two: 0, 1, 2-3, 4-7 and so on. What the index of words knows of them.
    tier INTEGER NOT NULL GENERATED ALWAYS AS (
        CASE
            WHEN likes < 1 THEN 0 WHEN likes < 2 THEN 1 WHEN likes < 4 THEN 2 WHEN likes < 8 THEN 3
            WHEN likes < 16 THEN 4 WHEN likes < 32 THEN 5 WHEN likes < 64 THEN 6 WHEN likes < 128 THEN 7
            WHEN likes < 256 THEN 8 WHEN likes < 512 THEN 9 WHEN likes < 1024 THEN 10 WHEN likes < 2048 THEN 11
            WHEN likes < 4096 THEN 12 WHEN likes < 8192 THEN 13 WHEN likes < 16384 THEN 14 ELSE 15
        END
    ) VIRTUAL,
    -- When a moderator took it out of sight, and who.
    hidden_at REAL,
    hidden_by INTEGER CHECK ((hidden_by IS NULL) = (hidden_at IS NULL)),
    -- The message that shows it, as soon as there is one, and how many likes that says.
    channel_id INTEGER,
    message_id INTEGER CHECK ((message_id IS NULL) = (channel_id IS NULL)),
    shown_likes INTEGER NOT NULL DEFAULT 0,
    UNIQUE (job_id, position, server),
    -- Whoever removes a picture removes what shows it.
    FOREIGN KEY (job_id, position) REFERENCES pictures (job_id, position) ON DELETE CASCADE
);

CREATE VIRTUAL TABLE posts_found USING fts5 (
    heading, words, facets,
    content = 'posts_as_found', content_rowid = 'id', tokenize = 'ascii', detail = 'none', columnsize = 0
);

CREATE TABLE 'posts_found_config'(k PRIMARY KEY, v) WITHOUT ROWID;

CREATE TABLE 'posts_found_data'(id INTEGER PRIMARY KEY, block BLOB);

CREATE TABLE 'posts_found_idx'(segid, term, pgno, PRIMARY KEY(segid, term)) WITHOUT ROWID;

CREATE TABLE reports (
    id INTEGER PRIMARY KEY,
    post INTEGER NOT NULL REFERENCES posts (id) ON DELETE CASCADE,
    server INTEGER NOT NULL,
    person INTEGER NOT NULL,
    reason TEXT NOT NULL,
    reported_at REAL NOT NULL,
    decision TEXT CHECK (decision IN ('kept', 'hidden')),
    decided_by INTEGER CHECK ((decided_by IS NULL) = (decision IS NULL)),
    decided_at REAL CHECK ((decided_at IS NULL) = (decision IS NULL))
);

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
    saved_at REAL NOT NULL, credit INTEGER,
    PRIMARY KEY (kind, owner, key)
) WITHOUT ROWID;

CREATE TABLE takedowns (
    channel_id INTEGER NOT NULL,
    message_id INTEGER NOT NULL,
    PRIMARY KEY (channel_id, message_id)
) WITHOUT ROWID;

CREATE INDEX boards_outdated ON boards (server, week) WHERE outdated > 0;

CREATE INDEX boards_unposted ON boards (server, week) WHERE message_id IS NULL;

CREATE INDEX decisions_newest ON decisions (server, id);

CREATE INDEX deliveries_calls_owed ON deliveries (job_id) WHERE call = 'owed';

CREATE INDEX deliveries_owed ON deliveries (job_id) WHERE state = 'owed';

CREATE INDEX durations_alike ON durations (kind, pixels, steps, id);

CREATE INDEX gallery_tags_most ON gallery_tags (gallery, posts);

CREATE INDEX inputs_by_digest ON inputs (digest);

CREATE INDEX jobs_by_asker ON jobs (asker, id);

CREATE INDEX jobs_by_day ON jobs (asker, created_at);

CREATE INDEX jobs_by_parent ON jobs (parent) WHERE parent IS NOT NULL;

CREATE INDEX jobs_of_server_by_day ON jobs (server, created_at) WHERE server IS NOT NULL;

CREATE INDEX jobs_of_servers ON jobs (server, settled_at) WHERE forgotten_at IS NULL AND server IS NOT NULL;

CREATE INDEX jobs_unfinished ON jobs (created_at, id) WHERE settled_at IS NULL;

CREATE INDEX likes_of_people ON likes (person);

CREATE INDEX pictures_by_digest ON pictures (digest);

CREATE INDEX posts_hidden ON posts (hidden_by) WHERE hidden_by IS NOT NULL;

CREATE INDEX posts_of_people ON posts (person, server, id);

CREATE INDEX posts_that_say_other_likes ON posts (id) WHERE shown_likes != likes AND message_id IS NOT NULL;

CREATE INDEX posts_top ON posts (server, likes, id, hidden_at) WHERE hidden_at IS NULL;

CREATE INDEX posts_top_of_days ON posts (server, day, likes, id, hidden_at) WHERE hidden_at IS NULL;

CREATE INDEX posts_weighed ON posts (id, likes, size, heading);

CREATE INDEX posts_without_message ON posts (shared_at) WHERE message_id IS NULL AND hidden_at IS NULL;

CREATE INDEX reports_by_people ON reports (person);

CREATE INDEX reports_decided ON reports (decided_by) WHERE decided_by IS NOT NULL;

CREATE UNIQUE INDEX reports_of_people ON reports (post, person) WHERE person != 0;

CREATE INDEX reports_of_posts ON reports (post);

CREATE INDEX reports_waiting ON reports (server, id) WHERE decision IS NULL;

CREATE INDEX reviews_waiting ON reviews (server, held_at) WHERE state = 'waiting';

CREATE INDEX server_changes_newest ON server_changes (server, id);

CREATE INDEX spent_by_person ON spent (person, day);

CREATE INDEX spent_by_server ON spent (server, day);
