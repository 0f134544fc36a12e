-- Times are microseconds since 1970, durations microseconds, octets and traces Zstandard frames.

-- A message: its identity, its order and its state.
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
    gone INTEGER NOT NULL DEFAULT 0,            -- it lies in no mailbox any more

    UNIQUE (mailbox, folder, kind, validity, name),
    CHECK ((state = 'ended') = (outcome IS NOT NULL))
);

CREATE INDEX entry_digest ON entry (digest) WHERE kind = 'uid';
CREATE INDEX entry_original ON entry (fingerprint)
    WHERE outcome IS NULL OR outcome IN ('completed', 'stopped', 'bounced');
CREATE INDEX entry_author ON entry (author_key, id) WHERE state IN ('pending', 'claimed');
CREATE INDEX entry_author_ready ON entry (author_key) WHERE ready = 1 AND state = 'pending';
CREATE INDEX entry_thread ON entry (thread_key, id) WHERE state <> 'ended';
CREATE INDEX entry_thread_ready ON entry (thread_key) WHERE ready = 1;
CREATE INDEX entry_pending ON entry (id) WHERE ready = 1 AND state = 'pending';
CREATE INDEX entry_due ON entry (due, id) WHERE ready = 1 AND state = 'deferred';
CREATE INDEX entry_deferred ON entry (deferred_at, id) WHERE ready = 1 AND state = 'deferred';
CREATE INDEX entry_claimed ON entry (id) WHERE state = 'claimed';
CREATE INDEX entry_settle ON entry (mailbox, settle_due) WHERE settle_due IS NOT NULL;
CREATE INDEX entry_word ON entry (word, id);
CREATE INDEX entry_stored ON entry (ended) WHERE stored = 1;
CREATE INDEX entry_gone ON entry (ended) WHERE gone = 1;

-- The message as it came, cut into chunks of 1 MiB.
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

-- A write to the world; `answer` is missing until one came, and JSON's null where there was none to have.
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

-- The thing that intents create. `open` is the newest intent without an answer; `doubt` is when the newest
-- one before it was begun that never had one.
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

-- The outbox.
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
);

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
);

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

-- The accounting identity. Triggers count, so that no change of state can forget to.
CREATE TABLE total (
    mailbox TEXT NOT NULL,
    word TEXT NOT NULL,                         -- 'seen', or a word of entry
    count INTEGER NOT NULL,
    PRIMARY KEY (mailbox, word)
);

CREATE TRIGGER entry_seen AFTER INSERT ON entry BEGIN
    INSERT INTO total (mailbox, word, count) VALUES (new.mailbox, 'seen', 1), (new.mailbox, new.word, 1)
        ON CONFLICT (mailbox, word) DO UPDATE SET count = count + 1;
END;

CREATE TRIGGER entry_changed AFTER UPDATE OF state, outcome ON entry WHEN old.word <> new.word BEGIN
    UPDATE total SET count = count - 1 WHERE mailbox = old.mailbox AND word = old.word;
    INSERT INTO total (mailbox, word, count) VALUES (new.mailbox, new.word, 1)
        ON CONFLICT (mailbox, word) DO UPDATE SET count = count + 1;
END;
