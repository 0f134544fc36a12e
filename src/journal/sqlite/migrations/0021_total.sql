-- What may fail midway costs SQLite a copy of each page that it writes. `ON CONFLICT DO UPDATE` may, whatever the statement
-- says that a trigger belongs to, so these do without.
DROP TRIGGER entry_seen;
CREATE TRIGGER entry_seen AFTER INSERT ON entry BEGIN
    INSERT INTO total (mailbox, word, count) VALUES (new.mailbox, 'seen', 0) ON CONFLICT DO NOTHING;
    UPDATE total SET count = count + 1 WHERE mailbox = new.mailbox AND word = 'seen';
    INSERT INTO total (mailbox, word, count) VALUES (new.mailbox, new.word, 0) ON CONFLICT DO NOTHING;
    UPDATE total SET count = count + 1 WHERE mailbox = new.mailbox AND word = new.word;
END;
DROP TRIGGER entry_changed;
CREATE TRIGGER entry_changed AFTER UPDATE OF state, outcome ON entry WHEN old.word <> new.word BEGIN
    UPDATE total SET count = count - 1 WHERE mailbox = old.mailbox AND word = old.word;
    INSERT INTO total (mailbox, word, count) VALUES (new.mailbox, new.word, 0) ON CONFLICT DO NOTHING;
    UPDATE total SET count = count + 1 WHERE mailbox = new.mailbox AND word = new.word;
END;
