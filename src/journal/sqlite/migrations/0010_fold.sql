-- Messages of one kind that make one ticket: by what their rule folds them.
CREATE TABLE fold (
    id         INTEGER PRIMARY KEY,
    connection TEXT NOT NULL,
    key        TEXT NOT NULL,
    owner      INTEGER,                     -- the message that makes the ticket; null where it did not come to one
    mark       TEXT NOT NULL,               -- what that message makes bears it
    first      INTEGER NOT NULL,            -- when it was taken up
    last       INTEGER NOT NULL,            -- when another one was, or was noted
    ticket     TEXT,                        -- as results show it, once it is there
    noted      INTEGER NOT NULL DEFAULT 0,  -- so many batches are noted in the ticket
    writer     INTEGER                      -- the message that notes the next one
);
CREATE INDEX fold_key ON fold (connection, key, first);
CREATE INDEX fold_last ON fold (last);

-- A further message of such a kind: a line in the note of its batch.
CREATE TABLE folded (
    id    INTEGER PRIMARY KEY,              -- their order
    fold  INTEGER NOT NULL REFERENCES fold (id) ON DELETE CASCADE,
    mark  TEXT NOT NULL,
    line  TEXT NOT NULL,
    at    INTEGER NOT NULL,
    batch INTEGER,                          -- from 1; null while its batch still grows
    UNIQUE (fold, mark)
);
CREATE INDEX folded_batch ON folded (fold, batch, id);
