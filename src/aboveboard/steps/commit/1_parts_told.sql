-- The parts of released records as bytes: few records have any, and of those each part is told by itself.
SELECT ordinal, string_agg(net(told), '' ORDER BY place) AS told
FROM (
  SELECT ordinal, place, {{part}} AS told
  FROM (
    SELECT ordinal, unnest(parts) AS p, generate_subscripts(parts, 1) AS place
    FROM situations SEMI JOIN hashed USING (ordinal)  -- has the lists at hand: they are slow to read from a file
    WHERE len(parts) > 0
  )
)
GROUP BY ordinal
