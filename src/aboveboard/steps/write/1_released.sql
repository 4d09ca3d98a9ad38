-- What leaves the house: permitted rows, without the parts that have to go. Text is what was offered, or what is left.
-- When a record was made and how it was decided stays with its row, for whoever commits to it.
SELECT
  d.ordinal,
  r.source,
  r.record_id,
  r.subject,
  CASE WHEN t.ordinal IS NOT NULL THEN t.text ELSE r.text END AS text,
  r.language,
  r.kind,
  CASE WHEN s.ordinal IS NULL THEN [] ELSE list_transform(
    list_filter(s.parts, lambda p, i: p.place = 'field' AND p.content IS NOT NULL AND NOT coalesce(list_contains(e.removed, i), FALSE)),
    lambda p: {'kind': p.kind, 'content': p.content}) END AS parts,
  r.created_at, r.collected_at, e.clause, e.policy_at_collection, e.policy_now, e.removed, e.outcome
FROM decided AS d
JOIN endings AS e USING (ending)
JOIN records AS r USING (ordinal)
-- Has the parts at hand of the records that have any: lists of lists are slow to read from a file.
LEFT JOIN (SELECT ordinal, parts FROM composites WHERE coalesce(others <> 0, TRUE)) AS s USING (ordinal)
LEFT JOIN redacted_texts AS t USING (ordinal)
WHERE e.outcome IN (0, 1)
