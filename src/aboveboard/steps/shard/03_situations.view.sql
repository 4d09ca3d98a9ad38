-- The same with the lists, as a record has them: what is written may tell of them.
SELECT
  m.*,
  CASE WHEN c.ordinal IS NULL THEN [] ELSE c.labels END AS labels,
  CASE WHEN c.ordinal IS NULL THEN [] ELSE c.signals END AS signals,
  CASE WHEN c.ordinal IS NULL THEN [] ELSE c.parties END AS parties,
  CASE WHEN c.ordinal IS NULL THEN [] ELSE c.parts END AS parts
FROM mains AS m LEFT JOIN composites AS c USING (ordinal)
