-- What a deferred message waits for, and which message may end the process.
ALTER TABLE entry ADD COLUMN waits_for TEXT;                            -- a part of a connection, as its trouble is called
ALTER TABLE entry ADD COLUMN deferrals INTEGER NOT NULL DEFAULT 0;      -- in a row, all as deferred_counts says
ALTER TABLE entry ADD COLUMN interruptions INTEGER NOT NULL DEFAULT 0;  -- in a row: the process ended with it in hand
CREATE INDEX entry_suspect ON entry (id) WHERE interruptions >= 2;
CREATE INDEX entry_waits ON entry (waits_for, id) WHERE waits_for IS NOT NULL;

-- One that waits for its bounce holds back no conversation.
DROP INDEX entry_thread;
CREATE INDEX entry_thread ON entry (thread_key, id) WHERE state IN ('pending', 'claimed', 'deferred');
