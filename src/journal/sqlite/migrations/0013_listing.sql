-- What `log` walks, for each of its filters.
CREATE INDEX entry_received ON entry (received);
CREATE INDEX entry_mailbox ON entry (mailbox, id);
CREATE INDEX entry_mailbox_word ON entry (mailbox, word, id);
