-- What has to leave each record, and whether everything that leaves can be found in its text.
SELECT
  v.ordinal,
  bit_or(v.lo) AS part_lo,
  bit_or(v.hi) AS part_hi,
  bool_or(v.removed) AS any_removed,
  list(v.part ORDER BY v.part) FILTER (v.removed) AS removed,
  -- What has to go must be found: a span inside the text, or a field that claims no place in it.
  bool_or(v.removed AND NOT fits AND NOT coalesce(
    v.place = 'field' AND v.span_start IS NULL AND v.span_end IS NULL, FALSE)) AS incomplete,
  bool_or(NOT v.removed AND v.place = 'field' AND v.has_content) AS attachment_kept,
  list({'from': v.span_start, 'to': v.span_end, 'kind': v.part_kind} ORDER BY v.span_start, v.span_end DESC, v.part)
    FILTER (v.removed AND fits) AS cuts
FROM (
  SELECT
    v.*,
    coalesce(v.place = 'span' AND 0 <= v.span_start AND v.span_start < v.span_end AND v.span_end <= length(s.text),
             FALSE) AS fits
  FROM verdicts AS v JOIN records AS s USING (ordinal)
  WHERE v.part > 0
) AS v
GROUP BY v.ordinal
