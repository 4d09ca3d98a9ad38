-- What a derived record takes from all it comes from: people, labels, signals, the narrowest audience, the earliest
-- collection. An ancestor that is not here, or in a circle, makes its state unknown.
SELECT
  a.source, a.ordinal,
  CASE WHEN bool_or(r.lifecycle IN ('deleted', 'removed')) THEN 'deleted'
       WHEN bool_or(a.lost OR r.record_id IS NULL OR r.lifecycle IS NULL) THEN NULL
       ELSE 'present' END AS source_state,
  arg_min(r.subject, (a.depth, a.ancestor)) FILTER (r.subject IS NOT NULL) AS subject,
  list_distinct(flatten(list(list_concat([{'subject': r.subject, 'role': 'author'}], r.parties)))) AS parties,
  bool_or(r.parties IS NULL) AS parties_unknown,
  CASE WHEN bool_or(r.categories IS NULL) THEN NULL ELSE list_distinct(flatten(list(r.categories))) END AS categories,
  CASE WHEN bool_or(r.labels IS NULL) THEN NULL ELSE list_distinct(flatten(list(r.labels))) END AS labels,
  CASE WHEN bool_or(r.signals IS NULL) THEN NULL ELSE list_distinct(flatten(list(r.signals))) END AS signals,
  CASE WHEN bool_or(r.collected_at IS NULL) THEN NULL ELSE min(r.collected_at) END AS collected_at,
  CASE WHEN bool_or({{rank.audience_at}} IS NULL) THEN NULL ELSE max({{rank.audience_at}}) END AS rank_at,
  CASE WHEN bool_or({{rank.audience_now}} IS NULL) THEN NULL ELSE max({{rank.audience_now}}) END AS rank_now
FROM ancestors AS a
LEFT JOIN rows AS r ON r.record_id = a.ancestor
GROUP BY ALL
