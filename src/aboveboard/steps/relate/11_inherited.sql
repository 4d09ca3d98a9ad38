-- What a record takes from all the origins of one road (derived, quoted, parent). An origin that is not here, came
-- from elsewhere than the record, or goes in a circle makes its state unknown.
SELECT
  l.source, l.ordinal, l.via,
  bool_and(o.record_id IS NOT NULL) FILTER (l.depth = 1) AS found,
  CASE WHEN bool_or(o.state = 'deleted') THEN 'deleted'
       WHEN bool_or(l.lost OR o.state IS NULL OR o.origin IS DISTINCT FROM r.origin OR o.licence IS DISTINCT FROM r.licence)
         THEN NULL
       ELSE 'present' END AS state,
  arg_min(o.subject, (l.depth, l.origin)) FILTER (o.subject IS NOT NULL) AS subject,
  CASE WHEN bool_or(o.parties IS NULL) THEN NULL ELSE list_distinct(flatten(list(list_concat(
    [{'subject': o.subject, 'role': CASE l.via WHEN 'derived' THEN 'author' ELSE 'quoted_author' END}], o.parties)))) END AS parties,
  CASE WHEN bool_or(o.categories IS NULL) THEN NULL ELSE list_distinct(flatten(list(o.categories))) END AS categories,
  CASE WHEN bool_or(o.labels IS NULL) THEN NULL ELSE list_distinct(flatten(list(o.labels))) END AS labels,
  CASE WHEN bool_or(o.signals IS NULL) THEN NULL ELSE list_distinct(flatten(list(o.signals))) END AS signals,
  CASE WHEN bool_or(o.collected_at IS NULL) THEN NULL ELSE min(o.collected_at) END AS collected_at,
  CASE WHEN bool_or(o.created_at IS NULL) THEN NULL ELSE min(o.created_at) END AS created_at,
  CASE WHEN bool_or(o.rank_at IS NULL) THEN NULL ELSE max(o.rank_at) END AS rank_at,
  CASE WHEN bool_or(o.rank_now IS NULL) THEN NULL ELSE max(o.rank_now) END AS rank_now
FROM lines AS l
JOIN rows AS r USING (source, ordinal)
LEFT JOIN origins AS o ON o.record_id = l.origin
GROUP BY ALL
