-- One decision per source row.
SELECT
  c.ordinal, c.source, c.record_id, e.* EXCLUDE (ending)
FROM circumstances AS c
JOIN cases_judged AS v USING (situation, traits, person, company)
JOIN endings AS e ON e.ending = CASE WHEN c.plain THEN v.case_id ELSE -1 - c.ordinal END
WHERE c.part = 0
