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
  list_transform(
    list_filter(s.parts, lambda p, i: p.place = 'field' AND p.content IS NOT NULL AND NOT coalesce(list_contains(d.removed, i), FALSE)),
    lambda p: {'kind': p.kind, 'content': p.content}) AS parts,
  r.created_at, r.collected_at, d.clause, d.policy_at_collection, d.policy_now, d.removed, d.outcome
FROM decisions AS d
JOIN records AS r USING (ordinal)
JOIN situations AS s USING (ordinal)  -- has the parts at hand: lists of lists are slow to read from a file
LEFT JOIN redacted_texts AS t USING (ordinal)
WHERE d.outcome IN (0, 1)
