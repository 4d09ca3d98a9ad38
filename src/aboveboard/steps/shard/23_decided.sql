-- How each source row ends: as its case does, or in a way of its own.
SELECT c.ordinal, CASE WHEN c.plain THEN v.case_id ELSE -1 - c.ordinal END AS ending
FROM circumstances AS c
JOIN cases_judged AS v USING (situation, traits, person, company)
WHERE c.part = 0
