-- The records that somebody else is in, whatever they chose (``explanation.has_others``).
SELECT ordinal
FROM (
  SELECT s.ordinal, s.parties, s.labels, s.parts, k.kind, k.source_state
  FROM situations AS s
  JOIN (SELECT ordinal, kind, source_state FROM records) AS k USING (ordinal)
) AS r
WHERE {{others}}
