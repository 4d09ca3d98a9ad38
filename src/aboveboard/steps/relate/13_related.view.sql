-- One row for every record of a slice whose judgement needs another record.
SELECT
  t.source, t.ordinal,
  coalesce(d.duplicate, 'unique') AS duplicate,
  CASE WHEN l.superseded THEN 'superseded' WHEN e.ordinal IS NULL THEN 'latest' ELSE e.edition END AS edition,
  CASE WHEN c.state = 'deleted' THEN 'deleted'
       WHEN c.ordinal IS NOT NULL AND c.state IS NULL THEN NULL
       WHEN f.ordinal IS NOT NULL THEN f.state
       WHEN r.kind = 'derived' THEN NULL
       WHEN r.kind = 'repost' AND q.ordinal IS NOT NULL THEN q.state
       ELSE 'own' END AS source_state,
  CASE WHEN f.ordinal IS NOT NULL THEN f END AS derived,
  CASE WHEN q.ordinal IS NOT NULL THEN q END AS quoted,
  CASE WHEN p.ordinal IS NOT NULL THEN p END AS parent,
  CASE WHEN c.ordinal IS NOT NULL THEN c END AS copied,
  CASE WHEN l.ordinal IS NOT NULL THEN l END AS told,
  list_distinct(list_concat(coalesce(y.origins, []), coalesce(c.origins, []), [b.root])) AS origins,
  b.root
FROM (FROM touched WHERE slice = getvariable('slice')) AS t
JOIN rows AS r USING (source, ordinal)
LEFT JOIN repeats AS d USING (source, ordinal)
LEFT JOIN editions AS e USING (source, ordinal)
LEFT JOIN copies AS c USING (source, ordinal)
LEFT JOIN told AS l USING (source, ordinal)
LEFT JOIN (SELECT source, ordinal, list(DISTINCT origin) AS origins FROM lines GROUP BY ALL) AS y USING (source, ordinal)
LEFT JOIN roots AS b USING (source, ordinal)
LEFT JOIN inherited AS f ON f.source = t.source AND f.ordinal = t.ordinal AND f.via = 'derived'
LEFT JOIN inherited AS q ON q.source = t.source AND q.ordinal = t.ordinal AND q.via = 'quoted'
LEFT JOIN inherited AS p ON p.source = t.source AND p.ordinal = t.ordinal AND p.via = 'parent'
ORDER BY t.source, t.ordinal
