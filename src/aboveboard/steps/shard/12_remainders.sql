-- Whether anything meaningful is left of each text that may go out: what stands between the spans that leave.
WITH open AS (
  SELECT s.ordinal, coalesce(s.text, '') AS text, r.cuts
  FROM verdicts AS v
  JOIN records AS s USING (ordinal)
  LEFT JOIN removals AS r USING (ordinal)
  WHERE v.part = 0 AND NOT v.against AND NOT coalesce(r.attachment_kept, FALSE)
),
spans AS (
  SELECT ordinal, text, span."from" AS start, span."to" AS stop
  FROM (SELECT ordinal, text, unnest(cuts) AS span FROM open WHERE len(cuts) > 0)
),
between_spans AS (
  SELECT ordinal, substring(text, reached + 1, greatest(start - reached, 0)) AS piece
  FROM (
    SELECT *, coalesce(max(stop) OVER (
      PARTITION BY ordinal ORDER BY start, stop ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS reached
    FROM spans
  )
  UNION ALL
  SELECT ordinal, substring(any_value(text), max(stop) + 1) FROM spans GROUP BY ordinal
),
kept AS (
  SELECT ordinal, bool_or(ltrim(piece, getvariable('blank')) <> '') AS something_left FROM between_spans GROUP BY ordinal
)
SELECT
  o.ordinal,
  CASE WHEN len(o.cuts) > 0 THEN k.something_left
       -- The first letter mostly answers; only where it is no plain letter or digit the whole text is looked at.
       WHEN unicode(o.text) BETWEEN 97 AND 122 OR unicode(o.text) BETWEEN 48 AND 57
         OR unicode(o.text) BETWEEN 65 AND 90 OR unicode(o.text) BETWEEN 12353 AND 65000 THEN TRUE
       ELSE ltrim(o.text, getvariable('blank')) <> '' END AS something_left
FROM open AS o
LEFT JOIN kept AS k USING (ordinal)
