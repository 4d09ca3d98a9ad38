-- Whether anything meaningful is left of each text that may go out; exactly, code point by code point, where spans leave.
WITH open AS (
  SELECT s.ordinal, coalesce(s.text, '') AS text, r.cuts
  FROM verdicts AS v
  JOIN records AS s USING (ordinal)
  LEFT JOIN removals AS r USING (ordinal)
  WHERE v.part = 0 AND NOT v.against AND NOT coalesce(r.attachment_kept, FALSE)
),
cut AS (
  SELECT ordinal, count(DISTINCT position) AS gone
  FROM (
    SELECT ordinal, text, unnest(range(span."from" + 1, span."to" + 1)) AS position
    FROM (SELECT ordinal, text, unnest(cuts) AS span FROM open WHERE len(cuts) > 0)
  )
  WHERE translate(substring(text, position, 1), getvariable('blank'), '') <> ''
  GROUP BY ordinal
)
SELECT
  o.ordinal,
  CASE WHEN len(o.cuts) > 0
       THEN length(translate(o.text, getvariable('blank'), '')) > coalesce(c.gone, 0)
       -- The first letter mostly answers; only where it is no plain letter or digit the whole text is looked at.
       WHEN unicode(o.text) BETWEEN 97 AND 122 OR unicode(o.text) BETWEEN 48 AND 57
         OR unicode(o.text) BETWEEN 65 AND 90 OR unicode(o.text) BETWEEN 12353 AND 65000 THEN TRUE
       ELSE ltrim(o.text, getvariable('blank')) <> '' END AS something_left
FROM open AS o
LEFT JOIN cut AS c USING (ordinal)
