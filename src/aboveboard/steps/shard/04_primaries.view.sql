-- The primary subject of every part: how the account stood and stands, and the choice in force for this data.
SELECT u.*, {{person_columns}}
FROM units AS u
{{person_joins}}
