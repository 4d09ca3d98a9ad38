-- One row a part: the main part of every record (0) and its other parts (1, 2, ...).
SELECT
  ordinal, 0 AS part, source, record_id, situation, subject, collected, made_at, something_said,
  coalesce(len(parts) > 0, FALSE) AS has_parts, words, categories, labels, signals, parties
FROM situations
UNION ALL
SELECT
  ordinal, part, NULL, NULL, situation, subject, collected, made_at, FALSE, FALSE, {{words}}, categories, labels,
  signals, parties
FROM (SELECT *, unnest(p) FROM parts_placed)
