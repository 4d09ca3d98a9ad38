-- What has to leave each record, and whether everything that leaves can be found in its text.
SELECT
  c.ordinal,
  bit_or(v.lo) AS part_lo,
  bit_or(v.hi) AS part_hi,
  bool_or(v.removed) AS any_removed,
  list(c.part ORDER BY c.part) FILTER (v.removed) AS removed,
  -- What has to go must be found: a span inside the text, or a field that claims no place in it.
  bool_or(v.removed AND NOT p.fits AND NOT p.whole_field) AS incomplete,
  bool_or(NOT v.removed AND p.has_content) AS attachment_kept,
  list({'from': p.span_start, 'to': p.span_end, 'kind': p.p.part_kind} ORDER BY p.span_start, p.span_end DESC, p.part)
    FILTER (v.removed AND p.fits) AS cuts
FROM circumstances AS c
JOIN parts_placed AS p USING (ordinal, part)
JOIN cases_judged AS v
  ON v.situation = c.situation AND v.traits = c.traits AND v.person = c.person AND v.company = c.company
WHERE c.part > 0
GROUP BY c.ordinal
