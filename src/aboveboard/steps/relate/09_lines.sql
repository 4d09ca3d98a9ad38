-- Each origin, and what stands in it in turn, up to sixteen steps; longer lines and circles are lost.
WITH RECURSIVE lines AS (
  SELECT source, ordinal, record_id AS child, via, origin, 1 AS depth FROM edges
  UNION
  SELECT l.source, l.ordinal, l.child, l.via, e.origin, l.depth + 1
  FROM lines AS l JOIN edges AS e ON e.record_id = l.origin
  WHERE l.depth < 17 AND l.origin <> l.child
)
SELECT source, ordinal, via, origin, min(depth) AS depth, bool_or(depth > 16 OR origin IS NULL OR origin = child) AS lost
FROM lines
GROUP BY ALL
