-- Where a message was moved to: should it run again, it is settled from there.
ALTER TABLE entry ADD COLUMN lies_folder TEXT;
ALTER TABLE entry ADD COLUMN lies_validity INTEGER;
ALTER TABLE entry ADD COLUMN lies_name TEXT;
