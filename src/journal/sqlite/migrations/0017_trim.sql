-- Retention looks each hour and at each start for what is too old: by index, or it walks all that there is.
CREATE INDEX notice_at ON notice (at);
CREATE INDEX creation_closed ON creation (coalesce(answered, 0)) WHERE begun IS NULL AND doubt IS NULL;
