-- Finds what a message that is given back has left open.
CREATE INDEX creation_open ON creation (open) WHERE open IS NOT NULL;
