-- The files that a request starts from, each named after its SHA-256 as pictures are.
CREATE TABLE inputs (
    job_id TEXT NOT NULL REFERENCES jobs (id),
    digest TEXT NOT NULL,
    PRIMARY KEY (job_id, digest)
) WITHOUT ROWID;

CREATE INDEX inputs_by_digest ON inputs (digest);
