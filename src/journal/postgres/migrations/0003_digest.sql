-- Only what lies in a mailbox is looked for by its digest. Without the others each commit writes to a few places of the index,
-- however many messages there are.
DROP INDEX entry_digest;
CREATE INDEX entry_digest ON entry (digest) WHERE kind = 'uid' AND gone = 0;
