-- What many records have in common as bytes: the facts that say nothing of one record alone, told once for all that
-- share them. A record without parts, or whose parts are not known, has that said here too.
SELECT unnest(ordinals) AS ordinal, told
FROM (
  SELECT ordinals, concat({{like}}, no_parts) AS told
  FROM (
    SELECT {{like_columns}}, no_parts, list(ordinal) AS ordinals
    FROM (
      SELECT
        r.* EXCLUDE (parts), s.categories, s.labels, s.parties, s.signals,
        CASE WHEN s.parts IS NULL THEN '-' WHEN len(s.parts) = 0 THEN '0:,' ELSE '' END AS no_parts
      FROM situations AS s
      JOIN (SELECT * EXCLUDE (text, categories, labels, parties, signals) FROM records) AS r USING (ordinal)
      SEMI JOIN hashed USING (ordinal)
    )
    GROUP BY ALL
  ) AS r
)
