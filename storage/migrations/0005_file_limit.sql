-- Bytes that one file of the answer may have, as the interaction said; of what is older we only know the least.
ALTER TABLE deliveries ADD COLUMN file_limit INTEGER NOT NULL DEFAULT 10485760;
