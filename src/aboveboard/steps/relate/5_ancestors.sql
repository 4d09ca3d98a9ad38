-- What a derived record comes from, and what that comes from, up to sixteen steps; longer chains and circles are unknown.
WITH RECURSIVE lines AS (
  SELECT source, ordinal, record_id AS child, unnest(derived_from) AS ancestor, 1 AS depth
  FROM rows
  WHERE len(derived_from) > 0
  UNION
  SELECT l.source, l.ordinal, l.child, unnest(r.derived_from), l.depth + 1
  FROM lines AS l JOIN rows AS r ON r.record_id = l.ancestor
  WHERE len(r.derived_from) > 0 AND l.depth < 17
)
SELECT
  source, ordinal, ancestor, min(depth) AS depth,
  bool_or(depth > 16 OR ancestor IS NULL OR ancestor = child) AS lost
FROM lines
GROUP BY ALL
