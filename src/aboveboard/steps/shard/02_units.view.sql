-- One row a part: the main part of every record (0) and its other parts (1, 2, ...).
SELECT
  ordinal, 0 AS part, source, record_id, situation, subject, collected, made_at, something_said,
  coalesce(len(parts) > 0, FALSE) AS has_parts, 'main' AS part_kind, categories, labels, audience_at, audience_now, parties, signals,
  source_state, CAST(NULL AS INTEGER) AS span_start, CAST(NULL AS INTEGER) AS span_end, FALSE AS fits,
  FALSE AS whole_field, FALSE AS has_content
FROM situations
UNION ALL
SELECT
  ordinal, part, NULL, NULL, situation, subject, collected, made_at, FALSE,
  FALSE, p.kind, p.categories, p.labels, p.audience_at, p.audience_now, p.parties, p.signals,
  p.source_state, p."start", p."end",
  coalesce(p.place = 'span' AND 0 <= p."start" AND p."start" < p."end" AND p."end" <= text_length, FALSE),
  coalesce(p.place = 'field' AND p."start" IS NULL AND p."end" IS NULL, FALSE),
  coalesce(p.place = 'field' AND p.content <> '', FALSE)
FROM (
  SELECT ordinal, situation, subject, collected, made_at, text_length, unnest(parts) AS p,
    generate_subscripts(parts, 1) AS part
  FROM situations
  WHERE len(parts) > 0
)
