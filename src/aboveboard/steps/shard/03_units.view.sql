-- One row a part: the main part of every record (0) and its other parts (1, 2, ...).
SELECT
  ordinal, 0 AS part, source, record_id, situation, subject, collected, made_at, something_said,
  -- No other part can leave it, and there is something to read.
  something_said AND coalesce(len(parts) = 0, TRUE) AS plain, words, categories, labels, signals, parties
FROM situations
UNION ALL
SELECT
  ordinal, part, NULL, NULL, situation, subject, collected, made_at, FALSE, FALSE, {{words}}, categories, labels,
  signals, parties
FROM (SELECT *, unnest(p) FROM parts_placed)
