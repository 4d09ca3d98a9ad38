-- The records that others point at, as they stand: one row an id, the newest where there are several.
SELECT
  r.record_id,
  arg_max(r.subject, coalesce(r.revision, 0)) AS subject,
  CASE WHEN bool_or(r.lifecycle IN ('deleted', 'removed')) THEN 'deleted'
       WHEN bool_or(r.lifecycle IS NULL) THEN NULL ELSE 'present' END AS state,
  count(DISTINCT r.subject) + count(*) FILTER (r.subject IS NULL) = 1 AS one_author
FROM rows AS r
SEMI JOIN (
  SELECT quoted_id AS record_id FROM rows WHERE quoted_id IS NOT NULL
  UNION SELECT parent_id FROM rows WHERE parent_id IS NOT NULL
) AS pointed USING (record_id)
GROUP BY r.record_id
