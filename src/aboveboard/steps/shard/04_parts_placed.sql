-- The other parts of records, numbered from 1, and whether each can be found where it says it stands.
SELECT
  ordinal, part, situation, subject, collected, made_at,
  {'part_kind': p.kind, 'categories': p.categories, 'labels': p.labels, 'signals': p.signals, 'parties': p.parties,
   'audience_at': p.audience_at, 'audience_now': p.audience_now, 'source_state': p.source_state} AS p,
  p."start" AS span_start,
  p."end" AS span_end,
  coalesce(p.place = 'span' AND 0 <= p."start" AND p."start" < p."end" AND p."end" <= length(text), FALSE) AS fits,
  coalesce(p.place = 'field' AND p."start" IS NULL AND p."end" IS NULL, FALSE) AS whole_field,
  coalesce(p.place = 'field' AND p.content <> '', FALSE) AS has_content
FROM (
  SELECT ordinal, situation, subject, collected, made_at, text, unnest(parts) AS p,
    generate_subscripts(parts, 1) AS part
  FROM composites JOIN mains USING (ordinal)
  WHERE mains.others > 0
)
