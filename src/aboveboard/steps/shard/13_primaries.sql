-- The primary subject of every case: how the account stood and stands, and the choice in force for this data.
SELECT u.*, {{person_columns}}
FROM (SELECT *, {{person_told}} FROM cases_described) AS u
{{person_known}}
