-- One decision per source row.
SELECT
  d.ordinal, m.source, m.record_id, e.* EXCLUDE (ending)
FROM decided AS d
JOIN endings AS e USING (ending)
JOIN mains AS m USING (ordinal)
