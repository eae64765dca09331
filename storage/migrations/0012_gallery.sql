-- The gallery: pictures that people share in a server, who likes them, and what is found in them.

-- Which picture of its parent a job goes on from, where it is one of them and not the request.
ALTER TABLE jobs ADD COLUMN parent_position INTEGER;

-- Asked for where only adults see it.
ALTER TABLE jobs ADD COLUMN for_adults INTEGER NOT NULL DEFAULT 0;

-- Whose shared prompt a style was saved from; NULL where nobody else's was, or they are forgotten.
ALTER TABLE styles ADD COLUMN credit INTEGER;

-- Servers in which something was ever shared, numbered. Whatever is of one of them has ids from number << 32 on, so
-- that it lies together, in the full-text index too, and the newest has the greatest id.
CREATE TABLE galleries (
    number INTEGER PRIMARY KEY,
    server INTEGER NOT NULL UNIQUE,
    -- How many posts there were: a number is given once, since buttons hold it.
    shared INTEGER NOT NULL DEFAULT 0
);

-- In which channel a gallery was, from a post on, and whether only adults saw that when it was last known.
CREATE TABLE eras (
    first INTEGER PRIMARY KEY,
    channel INTEGER NOT NULL,
    adults INTEGER NOT NULL
);

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

-- With hidden_at, or SQLite looks it up in each post.
CREATE INDEX posts_top ON posts (server, likes, id, hidden_at) WHERE hidden_at IS NULL;
CREATE INDEX posts_top_of_days ON posts (server, day, likes, id, hidden_at) WHERE hidden_at IS NULL;
-- What is needed of thousands of posts to put them in order, so that they need not be read for it.
CREATE INDEX posts_weighed ON posts (id, likes, size, heading);
CREATE INDEX posts_of_people ON posts (person, server, id);
CREATE INDEX posts_hidden ON posts (hidden_by) WHERE hidden_by IS NOT NULL;
CREATE INDEX posts_without_message ON posts (shared_at) WHERE message_id IS NULL AND hidden_at IS NULL;
CREATE INDEX posts_that_say_other_likes ON posts (id) WHERE shown_likes != likes AND message_id IS NOT NULL;

CREATE TABLE likes (
    post INTEGER NOT NULL REFERENCES posts (id) ON DELETE CASCADE,
    person INTEGER NOT NULL,
    liked_at REAL NOT NULL,
    PRIMARY KEY (post, person)
) WITHOUT ROWID;

CREATE INDEX likes_of_people ON likes (person);

CREATE TRIGGER likes_counted AFTER INSERT ON likes BEGIN
    UPDATE posts SET likes = likes + 1 WHERE id = new.post;
END;

CREATE TRIGGER likes_discounted AFTER DELETE ON likes BEGIN
    UPDATE posts SET likes = likes - 1 WHERE id = old.post;
END;

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

-- Who is forgotten is 0, and may be several.
CREATE UNIQUE INDEX reports_of_people ON reports (post, person) WHERE person != 0;
CREATE INDEX reports_of_posts ON reports (post);
CREATE INDEX reports_by_people ON reports (person);
CREATE INDEX reports_decided ON reports (decided_by) WHERE decided_by IS NOT NULL;
CREATE INDEX reports_waiting ON reports (server, id) WHERE decision IS NULL;

-- What moderators decided about what is shared. It outlives the post, its reports and its likes.
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

CREATE INDEX decisions_newest ON decisions (server, id);

-- Messages that show reports to moderators, until they say what came of them. Of posts that may be gone.
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

-- Files that moderators took out of sight in a server: they are not shared there again.
CREATE TABLE hidden_files (
    server INTEGER NOT NULL,
    digest TEXT NOT NULL,
    PRIMARY KEY (server, digest)
) WITHOUT ROWID;

-- Messages of posts that are gone: they are to be deleted.
CREATE TABLE takedowns (
    channel_id INTEGER NOT NULL,
    message_id INTEGER NOT NULL,
    PRIMARY KEY (channel_id, message_id)
) WITHOUT ROWID;

CREATE TRIGGER posts_taken_down BEFORE DELETE ON posts WHEN old.message_id IS NOT NULL BEGIN
    INSERT OR IGNORE INTO takedowns (channel_id, message_id) VALUES (old.channel_id, old.message_id);
END;

-- Boards that were posted, or are about to be: one for each week.
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

CREATE INDEX boards_unposted ON boards (server, week) WHERE message_id IS NULL;
CREATE INDEX boards_outdated ON boards (server, week) WHERE outdated > 0;

CREATE TRIGGER boards_of_what_goes BEFORE DELETE ON posts BEGIN
    UPDATE boards SET outdated = outdated + 1
    WHERE server = old.server AND EXISTS (SELECT 1 FROM json_each(boards.posts) WHERE value = old.id);
END;

CREATE TRIGGER boards_of_what_is_hidden AFTER UPDATE OF hidden_at ON posts BEGIN
    UPDATE boards SET outdated = outdated + 1
    WHERE server = old.server AND EXISTS (SELECT 1 FROM json_each(boards.posts) WHERE value = old.id);
END;

CREATE VIEW posts_as_found AS
SELECT id, heading, words, char(57344) || 'l' || tier || ' ' || facets AS facets FROM posts WHERE hidden_at IS NULL;

-- The words are folded before: "ascii" takes them as they are. It knows only which posts hold a word, not how often and
-- where: that makes it small, and quick to walk. How well they hold it is asked of posts_weighed.
CREATE VIRTUAL TABLE posts_found USING fts5 (
    heading, words, facets,
    content = 'posts_as_found', content_rowid = 'id', tokenize = 'ascii', detail = 'none', columnsize = 0
);

CREATE TRIGGER posts_found_from_now AFTER INSERT ON posts BEGIN
    INSERT INTO posts_found (rowid, heading, words, facets)
    SELECT id, heading, words, facets FROM posts_as_found WHERE id = new.id;
END;

CREATE TRIGGER posts_found_no_more BEFORE DELETE ON posts BEGIN
    INSERT INTO posts_found (posts_found, rowid, heading, words, facets)
    SELECT 'delete', id, heading, words, facets FROM posts_as_found WHERE id = old.id;
END;

-- No statement may change the likes and one of these at once.
CREATE TRIGGER posts_found_before BEFORE UPDATE OF heading, facets, hidden_at ON posts
BEGIN
    INSERT INTO posts_found (posts_found, rowid, heading, words, facets)
    SELECT 'delete', id, heading, words, facets FROM posts_as_found WHERE id = old.id;
END;

CREATE TRIGGER posts_found_after AFTER UPDATE OF heading, facets, hidden_at ON posts
BEGIN
    INSERT INTO posts_found (rowid, heading, words, facets)
    SELECT id, heading, words, facets FROM posts_as_found WHERE id = new.id;
END;

CREATE TRIGGER posts_found_before_of_likes BEFORE UPDATE OF likes ON posts
-- Whether their highest bits differ. `tier` is not to be asked: before an update, the new one is not computed.
WHEN (old.likes | new.likes) - (old.likes & new.likes) > (old.likes & new.likes)
BEGIN
    INSERT INTO posts_found (posts_found, rowid, heading, words, facets)
    SELECT 'delete', id, heading, words, facets FROM posts_as_found WHERE id = old.id;
END;

CREATE TRIGGER posts_found_after_of_likes AFTER UPDATE OF likes ON posts
WHEN (old.likes | new.likes) - (old.likes & new.likes) > (old.likes & new.likes)
BEGIN
    INSERT INTO posts_found (rowid, heading, words, facets)
    SELECT id, heading, words, facets FROM posts_as_found WHERE id = new.id;
END;

-- The words and tags of each gallery, and in how many posts they are: in those that are in sight, since what moderators
-- hide is not to be suggested or listed either.
CREATE TABLE gallery_words (
    id INTEGER PRIMARY KEY,
    gallery INTEGER NOT NULL,
    word TEXT NOT NULL,
    posts INTEGER NOT NULL,
    UNIQUE (gallery, word)
);

CREATE TABLE gallery_tags (
    gallery INTEGER NOT NULL,
    tag TEXT NOT NULL,
    posts INTEGER NOT NULL,
    PRIMARY KEY (gallery, tag)
) WITHOUT ROWID;

CREATE INDEX gallery_tags_most ON gallery_tags (gallery, posts);

-- Where words begin and end counts as letters of their own.
CREATE VIEW gallery_spellings AS SELECT id, '^' || word || '$' AS spelling FROM gallery_words;

CREATE VIRTUAL TABLE gallery_trigrams USING fts5 (
    spelling, content = 'gallery_spellings', content_rowid = 'id', tokenize = 'trigram',
    detail = 'none', columnsize = 0
);

CREATE TRIGGER gallery_words_spelled AFTER INSERT ON gallery_words BEGIN
    INSERT INTO gallery_trigrams (rowid, spelling) VALUES (new.id, '^' || new.word || '$');
END;

CREATE TRIGGER gallery_words_unspelled AFTER DELETE ON gallery_words BEGIN
    INSERT INTO gallery_trigrams (gallery_trigrams, rowid, spelling)
    VALUES ('delete', old.id, '^' || old.word || '$');
END;

CREATE VIEW post_words AS SELECT posts.id AS post, posts.id >> 32 AS gallery, value AS word, min(key) AS number
FROM posts, json_each('["' || replace(trim(heading || ' ' || words), ' ', '","') || '"]')
WHERE value != '' AND hidden_at IS NULL GROUP BY posts.id, value;

CREATE VIEW posts_counted AS SELECT id, tags FROM posts WHERE hidden_at IS NULL;

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

CREATE TRIGGER posts_counted_from_now AFTER INSERT ON posts WHEN new.hidden_at IS NULL BEGIN
    INSERT INTO posts_counted (id, tags) VALUES (new.id, new.tags);
END;

CREATE TRIGGER posts_counted_no_more BEFORE DELETE ON posts BEGIN
    DELETE FROM posts_counted WHERE id = old.id;
END;

CREATE TRIGGER posts_counted_before BEFORE UPDATE OF hidden_at ON posts BEGIN
    DELETE FROM posts_counted WHERE id = old.id;
END;

CREATE TRIGGER posts_counted_after AFTER UPDATE OF hidden_at ON posts WHEN new.hidden_at IS NULL BEGIN
    INSERT INTO posts_counted (id, tags) VALUES (new.id, new.tags);
END;
