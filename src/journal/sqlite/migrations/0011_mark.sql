-- A mail that a step sends is known by its mark; bounces and reports have none.
ALTER TABLE letter ADD COLUMN mark TEXT;
CREATE INDEX letter_mark ON letter (mark) WHERE mark IS NOT NULL;
