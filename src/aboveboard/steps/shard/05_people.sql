-- The same for everybody else in a part.
SELECT u.*, {{person_columns}}
FROM (
  SELECT u.* EXCLUDE (subject), o.subject
  FROM others AS o JOIN units AS u USING (ordinal, part)
  WHERE o.subject IS NOT NULL
) AS u
{{person_joins}}
