-- What has to leave each record, and whether everything that leaves can be found in its text.
SELECT
  c.ordinal,
  bit_or(v.lo) AS part_lo,
  bit_or(v.hi) AS part_hi,
  bool_or(v.removed) AS any_removed,
  list(c.part ORDER BY c.part) FILTER (v.removed) AS removed,
  -- What has to go must be found: a span inside the text, or a field that claims no place in it.
  bool_or(v.removed AND NOT c.fits AND NOT c.whole_field) AS incomplete,
  bool_or(NOT v.removed AND c.has_content) AS attachment_kept,
  list({'from': c.span_start, 'to': c.span_end, 'kind': c.part_kind} ORDER BY c.span_start, c.span_end DESC, c.part)
    FILTER (v.removed AND c.fits) AS cuts
FROM circumstances AS c
JOIN cases_judged AS v USING (situation, traits, person, company)
WHERE c.part > 0
GROUP BY c.ordinal
