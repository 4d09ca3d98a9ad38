-- How many meaningful code points are left of each text; exactly, code point by code point, only where the removed
-- spans may have taken everything.
WITH texts AS (
  SELECT
    s.ordinal, s.text, r.cuts, length(translate(coalesce(s.text, ''), getvariable('blank'), '')) AS whole
  FROM situations AS s
  LEFT JOIN removals AS r USING (ordinal)
),
weighed AS (
  SELECT *, coalesce(list_sum(list_transform(cuts, lambda c: c."to" - c."from")), 0) AS taken FROM texts
),
doubtful AS (
  SELECT ordinal, count(DISTINCT position) AS gone
  FROM (
    SELECT ordinal, text, unnest(range(cut."from" + 1, cut."to" + 1)) AS position
    FROM (SELECT ordinal, text, unnest(cuts) AS cut FROM weighed WHERE whole <= taken AND whole > 0 AND len(cuts) > 0)
  )
  WHERE translate(substring(text, position, 1), getvariable('blank'), '') <> ''
  GROUP BY ordinal
)
SELECT w.ordinal, w.whole - coalesce(d.gone, 0) AS left_over
FROM weighed AS w
LEFT JOIN doubtful AS d USING (ordinal)
