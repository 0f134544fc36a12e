-- What a message waited for when it was deferred last. Many that are due together do not take all places.
ALTER TABLE entry ADD COLUMN waited_for TEXT;
CREATE INDEX entry_waited ON entry (waited_for) WHERE state = 'claimed' AND waited_for IS NOT NULL;
