-- The first version that each edit goes back to, over up to 64 edits of edits; a circle goes back to nothing.
-- A first version may name itself.
WITH RECURSIVE climbs AS (
  SELECT source, ordinal, record_id AS child, revision_of AS root, 1 AS depth
  FROM rows
  WHERE revision_of IS NOT NULL AND revision_of <> record_id
  UNION
  SELECT c.source, c.ordinal, c.child, r.revision_of, c.depth + 1
  FROM climbs AS c JOIN rows AS r ON r.record_id = c.root
  WHERE r.revision_of IS NOT NULL AND r.revision_of <> r.record_id AND c.root <> c.child AND c.depth < 65
)
SELECT source, ordinal, arg_max(root, depth) AS root, max(depth) > 64 OR bool_or(root = child) AS lost
FROM climbs
GROUP BY ALL
