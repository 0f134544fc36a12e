-- How many requests to Halo a message has cost; those of before are not known and count as none.
ALTER TABLE entry ADD COLUMN calls INTEGER NOT NULL DEFAULT 0;
