-- Which letters stand together in the texts of a block of neighbouring messages: what a search need not read.
CREATE TABLE sieve (
    block INTEGER PRIMARY KEY,
    bits  BLOB NOT NULL
);
CREATE TRIGGER sieve_dropped AFTER DELETE ON entry
WHEN NOT EXISTS (SELECT 1 FROM entry WHERE id BETWEEN old.id / 128 * 128 AND old.id / 128 * 128 + 127) BEGIN
    DELETE FROM sieve WHERE block = old.id / 128;
END;

-- Those of the messages that are there are made bit by bit, the newest first: all from here on are.
CREATE TABLE sieved (since INTEGER NOT NULL);
INSERT INTO sieved (since) SELECT coalesce(max(id) / 128 + 1, 0) FROM entry;
