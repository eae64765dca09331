-- How long drawing took on this machine; nothing here says who asked, or for what.
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

CREATE INDEX durations_alike ON durations (kind, pixels, steps, id);
