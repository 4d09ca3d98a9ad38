-- What the ledger says happened to records after they were read: to a record, or to any version of it. Of what passes
-- the later word holds, at one instant the stricter; a deletion lasts. What was lifted counts for rows collected since.
-- And what a source says happened to its own accounts, of whose records here that is then true.
WITH named AS (
  SELECT r.record_id, min(t.root) AS root FROM roots AS t JOIN rows AS r USING (source, ordinal) GROUP BY ALL
),
spoken AS (
  SELECT coalesce(n.root, e.record_id) AS chain, e.* FROM record_events AS e LEFT JOIN named AS n USING (record_id)
),
of_chains AS (
  SELECT
    chain,
    bool_or(type = 'record_deleted' AND verified) AS deleted,
    bool_or(NOT verified) AS doubtful,
    max(since) FILTER (type = 'record_removed' AND verified) AS removed_at,
    max(since) FILTER (type = 'record_restored') AS restored_at,
    max(since) FILTER (type = 'record_withheld' AND verified) AS withheld_at,
    max(since) FILTER (type = 'record_unwithheld') AS unwithheld_at
  FROM spoken
  WHERE type <> 'record_edited' OR NOT verified
  GROUP BY chain
),
edited AS (
  SELECT record_id, max(since) AS since FROM record_events WHERE type = 'record_edited' AND verified GROUP BY record_id
),
chained AS (
  SELECT r.*, coalesce(n.root, r.record_id) AS chain, regexp_full_match(r.record_id, '[1-9][0-9]*') AS digits
  FROM (SELECT source, ordinal, record_id, subject, lifecycle, collected_at, parts FROM rows) AS r
  LEFT JOIN named AS n USING (record_id)
  WHERE (SELECT count(*) FROM record_events) + (SELECT count(*) FROM geo_events) + (SELECT count(*) FROM account_events) > 0
),
scrubbed AS (
  SELECT c.source, c.ordinal, bool_or(g.verified) AS verified
  FROM chained AS c JOIN geo_events AS g ON g.subject = c.subject AND coalesce(g.source = c.source, TRUE)
  WHERE len(list_filter(c.parts, lambda p: ({{is_place}}))) > 0
    AND CASE WHEN c.digits AND g.digits THEN (len(c.record_id), c.record_id) <= (len(g.upto), g.upto)
             ELSE c.collected_at IS NULL OR c.collected_at <= g.since END
  GROUP BY ALL
),
accounts AS (
  SELECT
    source, subject, bool_or(type = 'deleted') AS deleted, bool_or(type = 'suspended') AS removed,
    bool_or(type IN ('withheld', 'deactivated')) AS doubtful, bool_or(type = 'protected') AS hidden
  FROM account_events
  GROUP BY ALL
)
SELECT
  c.source, c.ordinal,
  CASE WHEN c.lifecycle = 'deleted' OR s.deleted OR a.deleted THEN 'deleted'
       WHEN c.lifecycle = 'removed' OR a.removed OR s.removed_at >= coalesce(s.restored_at, s.removed_at) THEN 'removed'
       WHEN c.lifecycle = 'draft' THEN 'draft'
       WHEN c.lifecycle IS NULL OR s.doubtful OR a.doubtful OR s.withheld_at >= coalesce(s.unwithheld_at, s.withheld_at) THEN NULL
       WHEN (s.restored_at IS NOT NULL AND coalesce(c.collected_at < s.restored_at, TRUE))
         OR (s.unwithheld_at IS NOT NULL AND coalesce(c.collected_at < s.unwithheld_at, TRUE)) THEN 'restored'
       ELSE c.lifecycle END AS lifecycle,
  e.since IS NOT NULL AND coalesce(c.collected_at < e.since, TRUE) AS superseded,
  CASE WHEN g.verified THEN 'deleted' WHEN NOT g.verified THEN 'unknown' ELSE 'there' END AS places,
  coalesce(a.hidden, FALSE) AS hidden
FROM chained AS c
LEFT JOIN of_chains AS s USING (chain)
LEFT JOIN edited AS e USING (record_id)
LEFT JOIN scrubbed AS g USING (source, ordinal)
LEFT JOIN accounts AS a ON a.source = c.source AND a.subject = c.subject
WHERE s.chain IS NOT NULL OR e.record_id IS NOT NULL OR g.ordinal IS NOT NULL OR a.subject IS NOT NULL
