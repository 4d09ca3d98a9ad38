-- Of each chain of edits only the newest stands; where nobody knows which one is newest, none is known to stand.
WITH chained AS (
  SELECT *, coalesce(revision_of, record_id) AS chain FROM rows
),
edited AS (
  SELECT chain FROM chained GROUP BY chain HAVING count(DISTINCT (record_id, revision)) > 1
)
SELECT
  source, ordinal,
  CASE WHEN bool_or(revision IS NULL) OVER whole THEN NULL
       WHEN revision = max(revision) OVER whole THEN 'latest'
       ELSE 'superseded' END AS edition
FROM chained
SEMI JOIN edited USING (chain)
WINDOW whole AS (PARTITION BY chain)
