-- The same for everybody else in a case.
SELECT u.*, {{person_columns}}
FROM (
  SELECT *, {{person_told}}
  FROM (
    SELECT d.* EXCLUDE (person), unnest(c.people) AS person FROM cases_described AS d JOIN companies AS c USING (company)
  )
) AS u
{{person_known}}
