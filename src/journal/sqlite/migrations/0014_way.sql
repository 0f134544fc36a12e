-- Reports leave by mail, by webhook, or by both. What was told so far was told by mail, and is no news elsewhere.
ALTER TABLE letter ADD COLUMN way TEXT NOT NULL DEFAULT 'mail' CHECK (way IN ('mail', 'webhook'));
ALTER TABLE notice ADD COLUMN webhook INTEGER;                          -- the letter it left in by that way
UPDATE notice SET webhook = report WHERE report IS NOT NULL;
CREATE INDEX notice_waiting_webhook ON notice (id) WHERE webhook IS NULL;
CREATE INDEX notice_webhook ON notice (webhook) WHERE webhook IS NOT NULL;
