-- A letter has an end of its own, and a scale of its own for what the server says to it.
ALTER TABLE letter ADD COLUMN not_after INTEGER;                        -- afterwards nobody is told any more
ALTER TABLE letter ADD COLUMN waited INTEGER NOT NULL DEFAULT 0;        -- as far as it counts towards giving up
ALTER TABLE letter ADD COLUMN counts INTEGER NOT NULL DEFAULT 0;        -- whether the wait that it is in does
ALTER TABLE letter ADD COLUMN unanswered INTEGER NOT NULL DEFAULT 0;    -- how often it was handed over and maybe taken
