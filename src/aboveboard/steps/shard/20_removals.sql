-- What has to leave each record, and whether everything that leaves can be found in its text.
SELECT
  c.ordinal,
  bit_or(v.lo) AS part_lo,
  bit_or(v.hi) AS part_hi,
  bool_or(v.removed) AS any_removed,
  list_sort(list(c.part) FILTER (v.removed)) AS removed,
  -- What has to go must be found: a span inside the text, or a field that claims no place in it.
  bool_or(v.removed AND NOT p.fits AND NOT p.whole_field) AS incomplete,
  bool_or(NOT v.removed AND p.has_content) AS attachment_kept,
  list_transform(
    list_sort(list({'from': p.span_start, 'to': -p.span_end, 'part': p.part, 'kind': p.p.part_kind})
              FILTER (v.removed AND p.fits)),
    lambda cut: {'from': cut."from", 'to': -cut."to", 'kind': cut.kind}) AS cuts
FROM circumstances AS c
JOIN parts_placed AS p USING (ordinal, part)
JOIN cases_judged AS v
  ON v.situation = c.situation AND v.traits = c.traits AND v.person = c.person AND v.company = c.company
WHERE c.part > 0
GROUP BY c.ordinal
