-- The processes that work on the journal, and what only one of them at a time does. One alone has this file, so here it
-- has everything; on a server many share it.

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
