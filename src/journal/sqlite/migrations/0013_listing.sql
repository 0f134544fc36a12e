-- What `log` walks, for each of its filters. The mailbox stands there as an expression, so that no other statement takes
-- these: one that looks for the first message of a kind in a mailbox would walk all of it.
CREATE INDEX entry_received ON entry (received);
CREATE INDEX entry_mailbox ON entry (mailbox || '', id);
CREATE INDEX entry_mailbox_word ON entry (mailbox || '', word, id);
