-- Named prompt templates: of a server, or of one person where there is none.
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
