-- A reply that names only the message it answers joins the conversation of that one.
CREATE INDEX entry_message_id ON entry (message_id, id) WHERE state IN ('pending', 'claimed', 'deferred');
