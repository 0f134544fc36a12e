-- Which ticket a conversation has become: by the Message-IDs of its messages, and who took part in it.
CREATE TABLE joined (
    connection TEXT NOT NULL,
    key        TEXT NOT NULL,       -- a Message-ID, or the root of a Thread-Index
    ticket     INTEGER NOT NULL,    -- a message may belong to several
    at         INTEGER NOT NULL,
    PRIMARY KEY (connection, key, ticket)
) WITHOUT ROWID;
CREATE INDEX joined_at ON joined (at);

CREATE TABLE participant (
    connection TEXT NOT NULL,
    ticket     INTEGER NOT NULL,
    author     TEXT NOT NULL,       -- an address in lower case
    at         INTEGER NOT NULL,
    PRIMARY KEY (connection, ticket, author)
) WITHOUT ROWID;
CREATE INDEX participant_at ON participant (at);
