-- Of each chain of edits only the newest stands; where nobody can tell which one that is, none is known to stand.
-- A row belongs to the chain that any row of its id names: a deletion often says no more than the id.
WITH named AS (
  SELECT r.record_id, min(t.root) AS root, bool_or(t.lost) OR count(DISTINCT t.root) > 1 AS lost
  FROM roots AS t JOIN rows AS r USING (source, ordinal)
  GROUP BY ALL
),
chained AS (
  SELECT r.source, r.ordinal, r.record_id, r.revision, coalesce(t.root, r.record_id) AS chain, coalesce(t.lost, FALSE) AS lost
  FROM rows AS r LEFT JOIN named AS t USING (record_id)
),
edited AS (
  SELECT chain FROM chained GROUP BY chain HAVING count(DISTINCT (record_id, revision)) > 1 OR bool_or(lost)
),
newest AS (
  SELECT chain, max(revision) AS revision, bool_or(revision IS NULL OR lost) AS unknown
  FROM chained SEMI JOIN edited USING (chain) GROUP BY chain
),
tied AS (
  SELECT chain FROM chained JOIN newest USING (chain, revision) GROUP BY chain HAVING count(DISTINCT record_id) > 1
)
SELECT
  c.source, c.ordinal,
  CASE WHEN n.unknown THEN NULL
       WHEN c.revision < n.revision THEN 'superseded'
       WHEN t.chain IS NOT NULL THEN NULL
       ELSE 'latest' END AS edition
FROM chained AS c
JOIN newest AS n USING (chain)
LEFT JOIN tied AS t USING (chain)
