-- A list of three words costs SQLite a table of its own, each time a row is written; two it just compares.
DROP INDEX entry_original;
CREATE INDEX entry_original ON entry (fingerprint)
    WHERE outcome IS NULL OR outcome IN ('completed', 'stopped') OR outcome = 'bounced';
DROP INDEX entry_thread;
CREATE INDEX entry_thread ON entry (thread_key, id) WHERE state NOT IN ('bouncing', 'ended');
DROP INDEX entry_message_id;
CREATE INDEX entry_message_id ON entry (message_id, id) WHERE state NOT IN ('bouncing', 'ended');
