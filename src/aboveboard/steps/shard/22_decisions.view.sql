-- One decision per source row.
SELECT
  d.ordinal, d.source, d.record_id, e.* EXCLUDE (ending)
FROM decided AS d
JOIN endings AS e USING (ending)
