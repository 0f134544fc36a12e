-- The oldest message of a mailbox that has no outcome yet is found without looking at the others.
CREATE INDEX entry_open ON entry (mailbox, id) WHERE outcome IS NULL;

-- How many messages retention has dropped: those that are held are the seen ones without them, and need no counting.
CREATE TABLE dropped (count INTEGER NOT NULL);
INSERT INTO dropped (count)
    SELECT (SELECT coalesce(sum(count), 0) FROM total WHERE word = 'seen') - (SELECT count(*) FROM entry);
CREATE TRIGGER entry_dropped AFTER DELETE ON entry BEGIN
    UPDATE dropped SET count = count + 1;
END;
