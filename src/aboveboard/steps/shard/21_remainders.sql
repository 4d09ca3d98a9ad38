-- Whether anything meaningful is left of each text that loses spans: what stands between them.
WITH open AS (
  SELECT ordinal, coalesce(s.text, '') AS text, r.cuts
  FROM removals AS r JOIN mains AS s USING (ordinal)
  WHERE len(r.cuts) > 0 AND NOT r.attachment_kept
),
spans AS (
  SELECT ordinal, text, span."from" AS start, span."to" AS stop
  FROM (SELECT ordinal, text, unnest(cuts) AS span FROM open)
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
)
SELECT ordinal, bool_or(says(piece)) AS something_left FROM between_spans GROUP BY ordinal
