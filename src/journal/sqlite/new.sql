-- What the steps in migrations/ come to, made from them:
-- UPDATE=1 cargo test --all-features --lib journal::sqlite::schema

CREATE TABLE entry (
    id INTEGER PRIMARY KEY AUTOINCREMENT,

    mailbox TEXT NOT NULL,
    folder TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('uid', 'file', 'handed')),
    validity INTEGER NOT NULL,                  -- UIDVALIDITY; 0 for the other kinds
    name TEXT NOT NULL,                         -- the UID, the file's name, the key

    received INTEGER NOT NULL,
    internal_date INTEGER NOT NULL,
    size INTEGER NOT NULL,
    author TEXT NOT NULL,
    subject TEXT NOT NULL,
    message_id TEXT NOT NULL,
    heard TEXT NOT NULL,                        -- author, subject, Message-ID in lower case, for --grep
    said TEXT NOT NULL DEFAULT '',              -- reason and rule in lower case, for --grep
    fingerprint BLOB NOT NULL,
    digest BLOB NOT NULL,
    stored INTEGER NOT NULL DEFAULT 0,          -- whether octets or traces are kept
    author_key TEXT NOT NULL,
    thread_key TEXT NOT NULL,

    state TEXT NOT NULL CHECK (state IN ('pending', 'claimed', 'deferred', 'bouncing', 'ended')),
    outcome TEXT,
    reason TEXT NOT NULL DEFAULT '',
    rule TEXT NOT NULL DEFAULT '',
    word TEXT NOT NULL GENERATED ALWAYS AS (    -- what people see, and what is counted
        CASE state WHEN 'ended' THEN outcome WHEN 'claimed' THEN 'pending' WHEN 'bouncing' THEN 'deferred' ELSE state END
    ) VIRTUAL,
    ready INTEGER NOT NULL DEFAULT 0,           -- nothing earlier holds it back: order.rs
    due INTEGER,
    owner TEXT,                                 -- empty: one process has the journal alone
    token INTEGER NOT NULL DEFAULT 0,           -- of the newest claim
    began INTEGER,                              -- when that claim was made
    attempts INTEGER NOT NULL DEFAULT 0,        -- that have ended
    waited INTEGER NOT NULL DEFAULT 0,
    deferred_at INTEGER,
    deferred_counts INTEGER,
    run TEXT,
    ended INTEGER,

    settle_due INTEGER,                         -- set while there is something to settle
    settle_reason TEXT,
    settled INTEGER,
    how TEXT,
    gone INTEGER NOT NULL DEFAULT 0, calls INTEGER NOT NULL DEFAULT 0, waits_for TEXT, deferrals INTEGER NOT NULL DEFAULT 0, interruptions INTEGER NOT NULL DEFAULT 0, waited_for TEXT, lies_folder TEXT, lies_validity INTEGER, lies_name TEXT,            -- it lies in no mailbox any more

    UNIQUE (mailbox, folder, kind, validity, name),
    CHECK ((state = 'ended') = (outcome IS NOT NULL))
);
CREATE INDEX entry_author ON entry (author_key, id) WHERE state IN ('pending', 'claimed');
CREATE INDEX entry_author_ready ON entry (author_key) WHERE ready = 1 AND state = 'pending';
CREATE INDEX entry_thread_ready ON entry (thread_key) WHERE ready = 1;
CREATE INDEX entry_pending ON entry (id) WHERE ready = 1 AND state = 'pending';
CREATE INDEX entry_due ON entry (due, id) WHERE ready = 1 AND state = 'deferred';
CREATE INDEX entry_deferred ON entry (deferred_at, id) WHERE ready = 1 AND state = 'deferred';
CREATE INDEX entry_claimed ON entry (id) WHERE state = 'claimed';
CREATE INDEX entry_settle ON entry (mailbox, settle_due) WHERE settle_due IS NOT NULL;
CREATE INDEX entry_word ON entry (word, id);
CREATE INDEX entry_stored ON entry (ended) WHERE stored = 1;
CREATE INDEX entry_gone ON entry (ended) WHERE gone = 1;
CREATE TABLE octets (
    entry INTEGER NOT NULL REFERENCES entry (id) ON DELETE CASCADE,
    chunk INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (entry, chunk)
);
CREATE TABLE attempt (
    entry INTEGER NOT NULL REFERENCES entry (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    began INTEGER NOT NULL,
    ended INTEGER NOT NULL,
    result TEXT NOT NULL,
    reason TEXT NOT NULL,
    trace BLOB,
    PRIMARY KEY (entry, number)
);
CREATE TABLE intent (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    entry INTEGER NOT NULL REFERENCES entry (id) ON DELETE CASCADE,
    step TEXT NOT NULL,
    effect TEXT NOT NULL,
    answer TEXT,
    begun INTEGER NOT NULL,
    answered INTEGER,
    UNIQUE (entry, step)
);
CREATE TABLE creation (
    connection TEXT NOT NULL,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    open INTEGER,
    begun INTEGER,
    doubt INTEGER,
    answer TEXT,
    answered INTEGER,
    PRIMARY KEY (connection, kind, key)
);
CREATE TABLE letter (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    entry INTEGER REFERENCES entry (id) ON DELETE CASCADE,
    return_path TEXT,
    recipients TEXT NOT NULL,
    octets BLOB,
    limit_key TEXT,
    created INTEGER NOT NULL,
    state TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'taken', 'refused')),
    due INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    tried INTEGER,
    reason TEXT NOT NULL DEFAULT '',
    ended INTEGER
, not_after INTEGER, waited INTEGER NOT NULL DEFAULT 0, counts INTEGER NOT NULL DEFAULT 0, unanswered INTEGER NOT NULL DEFAULT 0, mark TEXT, way TEXT NOT NULL DEFAULT 'mail' CHECK (way IN ('mail', 'webhook')));
CREATE INDEX letter_due ON letter (due) WHERE state = 'waiting';
CREATE INDEX letter_entry ON letter (entry) WHERE entry IS NOT NULL;
CREATE INDEX letter_limit ON letter (limit_key, created) WHERE limit_key IS NOT NULL;
CREATE INDEX letter_ended ON letter (ended) WHERE entry IS NULL AND ended IS NOT NULL;
CREATE TABLE notice (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    entry INTEGER,
    topic TEXT NOT NULL,
    text TEXT NOT NULL,
    at INTEGER NOT NULL,
    report INTEGER                              -- the letter it left in
, webhook INTEGER);
CREATE INDEX notice_waiting ON notice (id) WHERE report IS NULL;
CREATE INDEX notice_report ON notice (report) WHERE report IS NOT NULL;
CREATE TABLE position (
    mailbox TEXT NOT NULL,
    folder TEXT NOT NULL,
    validity INTEGER NOT NULL,
    next_uid INTEGER NOT NULL,
    PRIMARY KEY (mailbox, folder)
);
CREATE TABLE kept (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);
CREATE TABLE total (
    mailbox TEXT NOT NULL,
    word TEXT NOT NULL,                         -- 'seen', or a word of entry
    count INTEGER NOT NULL,
    PRIMARY KEY (mailbox, word)
);
CREATE INDEX entry_suspect ON entry (id) WHERE interruptions >= 2;
CREATE INDEX entry_waits ON entry (waits_for, id) WHERE waits_for IS NOT NULL;
CREATE INDEX creation_open ON creation (open) WHERE open IS NOT NULL;
CREATE INDEX entry_waited ON entry (waited_for) WHERE state = 'claimed' AND waited_for IS NOT NULL;
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
CREATE INDEX letter_mark ON letter (mark) WHERE mark IS NOT NULL;
CREATE TABLE rule_count (
    rule    TEXT NOT NULL PRIMARY KEY,
    matched INTEGER NOT NULL,
    last    INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX entry_received ON entry (received);
CREATE INDEX entry_mailbox ON entry (mailbox || '', id);
CREATE INDEX entry_mailbox_word ON entry (mailbox || '', word, id);
CREATE INDEX notice_waiting_webhook ON notice (id) WHERE webhook IS NULL;
CREATE INDEX notice_webhook ON notice (webhook) WHERE webhook IS NOT NULL;
CREATE INDEX entry_open ON entry (mailbox, id) WHERE outcome IS NULL;
CREATE TABLE dropped (count INTEGER NOT NULL);
CREATE TRIGGER entry_dropped AFTER DELETE ON entry BEGIN
    UPDATE dropped SET count = count + 1;
END;
CREATE INDEX notice_at ON notice (at);
CREATE INDEX creation_closed ON creation (coalesce(answered, 0)) WHERE begun IS NULL AND doubt IS NULL;
CREATE TABLE sieve (
    block INTEGER PRIMARY KEY,
    bits  BLOB NOT NULL
);
CREATE TRIGGER sieve_dropped AFTER DELETE ON entry
WHEN NOT EXISTS (SELECT 1 FROM entry WHERE id BETWEEN old.id / 128 * 128 AND old.id / 128 * 128 + 127) BEGIN
    DELETE FROM sieve WHERE block = old.id / 128;
END;
CREATE TABLE sieved (since INTEGER NOT NULL);
CREATE INDEX entry_original ON entry (fingerprint)
    WHERE outcome IS NULL OR outcome IN ('completed', 'stopped') OR outcome = 'bounced';
CREATE INDEX entry_thread ON entry (thread_key, id) WHERE state NOT IN ('bouncing', 'ended');
CREATE INDEX entry_message_id ON entry (message_id, id) WHERE state NOT IN ('bouncing', 'ended');
CREATE TABLE node (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,  -- never used again: whoever is taken for dead comes back as another one
    host    TEXT    NOT NULL,
    pid     INTEGER NOT NULL,
    version TEXT    NOT NULL,                   -- of the program
    began   INTEGER NOT NULL,
    seen    INTEGER NOT NULL,                   -- when it was heard of last
    until   INTEGER NOT NULL,                   -- it is taken for dead then
    wanted  TEXT    NOT NULL DEFAULT '[]',      -- the duties of its configuration: JSON
    gone    INTEGER,                            -- when it ended or was taken for dead
    stopped INTEGER NOT NULL DEFAULT 0          -- 1: it said that it ends
);
CREATE INDEX node_alive ON node (id) WHERE gone IS NULL;
CREATE TABLE lease (
    duty  TEXT    NOT NULL PRIMARY KEY,
    node  INTEGER,                              -- null: nobody has it
    token INTEGER NOT NULL,                     -- grows each time that somebody takes it
    since INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TRIGGER entry_seen AFTER INSERT ON entry BEGIN
    INSERT INTO total (mailbox, word, count) VALUES (new.mailbox, 'seen', 0) ON CONFLICT DO NOTHING;
    UPDATE total SET count = count + 1 WHERE mailbox = new.mailbox AND word = 'seen';
    INSERT INTO total (mailbox, word, count) VALUES (new.mailbox, new.word, 0) ON CONFLICT DO NOTHING;
    UPDATE total SET count = count + 1 WHERE mailbox = new.mailbox AND word = new.word;
END;
CREATE TRIGGER entry_changed AFTER UPDATE OF state, outcome ON entry WHEN old.word <> new.word BEGIN
    UPDATE total SET count = count - 1 WHERE mailbox = old.mailbox AND word = old.word;
    INSERT INTO total (mailbox, word, count) VALUES (new.mailbox, new.word, 0) ON CONFLICT DO NOTHING;
    UPDATE total SET count = count + 1 WHERE mailbox = new.mailbox AND word = new.word;
END;
CREATE INDEX entry_digest ON entry (digest) WHERE kind = 'uid' AND gone = 0;
INSERT INTO dropped (count) VALUES (0);
INSERT INTO sieved (since) VALUES (0);
