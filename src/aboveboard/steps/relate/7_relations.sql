-- One row for every record whose judgement needs another record; all others stand for themselves.
WITH touched AS (
  SELECT source, ordinal FROM repeats
  UNION SELECT source, ordinal FROM editions
  UNION SELECT source, ordinal FROM inherited
  UNION SELECT source, ordinal FROM rows WHERE quoted_id IS NOT NULL OR parent_id IS NOT NULL
)
SELECT
  t.source, t.ordinal,
  coalesce(d.duplicate, 'unique') AS duplicate,
  CASE WHEN e.ordinal IS NULL THEN 'latest' ELSE e.edition END AS edition,
  CASE WHEN i.ordinal IS NOT NULL THEN i.source_state
       WHEN r.kind = 'repost' AND r.quoted_id IS NOT NULL THEN q.state
       ELSE 'own' END AS source_state,
  i.ordinal IS NOT NULL AS derived,
  r.quoted_id IS NOT NULL AS quotes,
  q.state AS quoted_state,
  CASE WHEN q.one_author THEN q.subject END AS quoted_author,
  r.parent_id IS NOT NULL AS replies,
  p.state AS parent_state,
  CASE WHEN p.one_author THEN p.subject END AS parent_author,
  i.* EXCLUDE (source, ordinal, source_state)
FROM touched AS t
JOIN rows AS r USING (source, ordinal)
LEFT JOIN repeats AS d USING (source, ordinal)
LEFT JOIN editions AS e USING (source, ordinal)
LEFT JOIN inherited AS i USING (source, ordinal)
LEFT JOIN targets AS q ON q.record_id = r.quoted_id
LEFT JOIN targets AS p ON p.record_id = r.parent_id
ORDER BY ALL
