-- Of records that are more than a bare main part, one row a part: the main part (0) and the others (1, 2, ...).
SELECT
  ordinal, 0 AS part, situation, subject, collected, made_at, something_said, plain, words, categories, labels, signals, parties
FROM mains JOIN composites USING (ordinal)
WHERE composed
UNION ALL
SELECT
  ordinal, part, situation, subject, collected, made_at, FALSE, FALSE, {{words}}, categories, labels, signals, parties
FROM (SELECT *, unnest(p) FROM parts_placed)
