-- How often a rule matched, counted with the ends of messages; retention leaves it.
CREATE TABLE rule_count (
    rule    TEXT NOT NULL PRIMARY KEY,
    matched INTEGER NOT NULL,
    last    INTEGER NOT NULL
) WITHOUT ROWID;
