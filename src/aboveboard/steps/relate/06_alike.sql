-- Rows whose words, made comparable, stand in several rows of different people; what they are compared by is a digest.
-- Reposts say whose words they are; derived data leaves with its sources.
WITH comparable AS (
  SELECT source, ordinal, subject, {{normal}} AS words
  FROM staged
  WHERE strlen(text) >= {{fewest}} AND coalesce(kind NOT IN ('repost', 'derived'), TRUE)
),
-- Digests of all texts would be the price; a number of the engine's own tells most of them apart, and is not kept.
marked AS (
  SELECT source, ordinal, subject, hash(words) AS mark FROM comparable WHERE length(words) >= {{fewest}}
),
shared AS (
  SELECT mark FROM marked GROUP BY mark HAVING count(DISTINCT subject) + max((subject IS NULL)::INTEGER) > 1
)
SELECT c.source, c.ordinal, sha256(c.words) AS words
FROM comparable AS c
SEMI JOIN (SELECT source, ordinal FROM marked SEMI JOIN shared USING (mark)) AS m USING (source, ordinal)
