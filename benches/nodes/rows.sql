-- Puts @ROWS@ messages without octets into a journal that is empty, as a year brings them: those of the bench `listing`.
-- All in one transaction, and the indexes afterwards.

SET LOCAL maintenance_work_mem = '512MB';
SET LOCAL synchronous_commit = off;

CREATE TEMP TABLE made AS SELECT indexname, indexdef FROM pg_indexes
    WHERE schemaname = current_schema() AND tablename IN ('entry', 'attempt') AND indexdef NOT LIKE 'CREATE UNIQUE%';
DO $$ BEGIN EXECUTE (SELECT string_agg(format('DROP INDEX %I', indexname), ';') FROM made); END $$;
ALTER TABLE entry DROP CONSTRAINT entry_mailbox_folder_kind_validity_name_key;
ALTER TABLE entry DISABLE TRIGGER USER;
TRUNCATE entry, attempt, octets, intent, letter;

INSERT INTO entry (id, mailbox, folder, kind, validity, name, received, internal_date, size, author, subject, message_id,
    heard, said, fingerprint, digest, stored, author_key, thread_key, state, outcome, reason, rule, ready, due, token, began,
    attempts, calls, waits_for, deferred_at, deferrals, run, ended, settled, how, gone)
SELECT n, mailbox, 'INBOX', 'uid', 1, n, at, at - 2000000, 15000 + n % 9973, author, subject, n || '.mail@mx.example',
    author || E'\n' || lower(subject) || E'\n' || n || '.mail@mx.example',
    CASE WHEN is_open THEN '' ELSE lower(reason) || E'\n' || 'unknown senders become users' END,
    sha256(int8send(n)), sha256(int8send(-n)), CASE WHEN n > @ROWS@ - 5000 THEN 1 ELSE 0 END, author, n || '.mail@mx.example',
    CASE WHEN NOT is_open THEN 'ended' WHEN n % 2 = 0 THEN 'pending' ELSE 'deferred' END,
    CASE WHEN NOT is_open THEN outcome END,
    CASE WHEN NOT is_open THEN reason ELSE '' END,
    CASE WHEN NOT is_open THEN 'Unknown senders become users' ELSE '' END,
    CASE WHEN is_open THEN 1 ELSE 0 END,
    CASE WHEN is_open AND n % 2 = 1 THEN at + 3600000000 END,
    1, at + 1000000, 1, 2,
    CASE WHEN is_open AND n % 2 = 1 THEN 'connection main' END,
    CASE WHEN is_open AND n % 2 = 1 THEN at END,
    CASE WHEN is_open AND n % 2 = 1 THEN 1 ELSE 0 END,
    CASE WHEN is_open AND n % 2 = 1 THEN '{}' END,
    CASE WHEN NOT is_open THEN at + 1500000 END,
    CASE WHEN NOT is_open THEN at + 2500000 END,
    CASE WHEN NOT is_open THEN 'moved to Processed' END,
    CASE WHEN NOT is_open THEN 1 ELSE 0 END
FROM (SELECT n, n > @ROWS@ - 200 AS is_open,
        CAST(extract(epoch FROM now()) * 1000000 AS bigint) - (@ROWS@ - n) * (31536000000000 / @ROWS@) AS at,
        CASE WHEN n <= 5 THEN 'quiet' WHEN n % 100 < 70 THEN 'support' WHEN n % 100 < 90 THEN 'sales'
            ELSE 'customer' || n % 20 END AS mailbox,
        CASE WHEN n % 2003 = 0 THEN 'jane.doe@example.org'
            ELSE 'person' || n % 2003 || '@customer' || n % 2003 % 500 || '.example' END AS author,
        (ARRAY['The printer on the second floor does not print', 'VPN drops after a minute',
            'New starter on Monday: account and laptop', 'Re: Invoice for the backup licences',
            'Outlook asks for the password again and again', '[ALERT] disk space below ten percent on srv',
            'Can not open the file that Ben sent me', 'AW: Telefonanlage: keine Durchwahl mehr'])[1 + n % 8]
            || ' (case-' || n || '.)' AS subject,
        CASE WHEN n % 200 = 0 THEN 'failed' WHEN n % 200 < 4 THEN 'bounced' WHEN n % 200 < 14 THEN 'ignored'
            WHEN n % 200 < 18 THEN 'stopped' ELSE 'completed' END AS outcome,
        CASE WHEN n % 200 = 0 THEN 'create_halo_user: Halo refuses the user' WHEN n % 200 < 4 THEN 'no such client'
            WHEN n % 200 BETWEEN 14 AND 17 THEN 'find_halo_user_and_client: nothing found' ELSE '' END AS reason
    FROM generate_series(1::bigint, @ROWS@) AS n) AS message;

INSERT INTO attempt (entry, number, began, ended, result, reason)
SELECT id, 1, began, began + 500000, coalesce(outcome, state), reason FROM entry;

ALTER TABLE entry ADD CONSTRAINT entry_mailbox_folder_kind_validity_name_key UNIQUE (mailbox, folder, kind, validity, name);
DO $$ BEGIN EXECUTE (SELECT string_agg(indexdef, ';') FROM made); END $$;
ALTER TABLE entry ENABLE TRIGGER USER;
SELECT setval(pg_get_serial_sequence('entry', 'id'), @ROWS@);
DELETE FROM total;
INSERT INTO total (mailbox, word, count) SELECT mailbox, word, count(*) FROM entry GROUP BY 1, 2;
INSERT INTO total (mailbox, word, count) SELECT mailbox, 'seen', count(*) FROM entry GROUP BY 1;
INSERT INTO rule_count VALUES ('Unknown senders become users', @ROWS@, 0) ON CONFLICT DO NOTHING;
