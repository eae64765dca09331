-- The language in which a job's message is written, as Discord writes it: "de", "es-ES".
ALTER TABLE deliveries ADD COLUMN locale TEXT NOT NULL DEFAULT 'en';
