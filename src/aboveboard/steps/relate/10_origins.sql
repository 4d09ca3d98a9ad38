-- What an origin hands on with its words: people, labels, signals of its main and other parts, the narrowest audience,
-- and whether it stands: `present` only where everything about it is known and well. What it copies is part of it.
WITH pointed AS (
  SELECT DISTINCT origin AS record_id FROM lines WHERE origin IS NOT NULL
),
units AS (
  SELECT
    r.source, r.ordinal, r.categories, r.labels, r.signals, r.parties, r.audience_at, {{audience_now}} AS audience_now
  FROM rows AS r SEMI JOIN pointed USING (record_id)
  LEFT JOIN told AS l USING (source, ordinal)
  UNION ALL
  SELECT source, ordinal, p.categories, p.labels, p.signals, p.parties, p.audience_at, p.audience_now
  FROM (SELECT source, ordinal, unnest(parts) AS p FROM rows SEMI JOIN pointed USING (record_id) WHERE len(parts) > 0)
  UNION ALL
  SELECT c.source, c.ordinal, [], [], c.signals, c.parties, 'public', 'public'
  FROM copies AS c JOIN rows AS r USING (source, ordinal) SEMI JOIN pointed USING (record_id)
),
joined AS (
  SELECT
    source, ordinal,
    CASE WHEN bool_or(categories IS NULL) THEN NULL ELSE list_distinct(flatten(list(categories))) END AS categories,
    CASE WHEN bool_or(labels IS NULL) THEN NULL ELSE list_distinct(flatten(list(labels))) END AS labels,
    CASE WHEN bool_or(signals IS NULL) THEN NULL ELSE list_distinct(flatten(list(signals))) END AS signals,
    CASE WHEN bool_or(parties IS NULL) THEN NULL ELSE list_distinct(flatten(list(parties))) END AS parties,
    CASE WHEN bool_or({{rank.audience_at}} IS NULL) THEN NULL ELSE max({{rank.audience_at}}) END AS rank_at,
    CASE WHEN bool_or({{rank.audience_now}} IS NULL) THEN NULL ELSE max({{rank.audience_now}}) END AS rank_now
  FROM units
  GROUP BY ALL
)
SELECT
  r.record_id, r.subject, r.origin, r.licence, r.created_at, r.collected_at,
  CASE WHEN r.kind = 'message' THEN list_append(j.categories, 'user.communication.message.content')
       WHEN r.kind IN ('like', 'vote', 'follow', 'view') THEN list_append(j.categories, 'user.behavior')
       ELSE j.categories END AS categories,
  j.labels, j.signals, j.parties, j.rank_at, j.rank_now,
  CASE WHEN r.lifecycle IN ('deleted', 'removed') OR e.edition = 'superseded' OR c.state = 'deleted'
         OR l.superseded OR l.lifecycle IN ('deleted', 'removed') THEN 'deleted'
       WHEN r.lifecycle = 'published' AND (c.ordinal IS NULL OR c.state = 'present') AND (l.ordinal IS NULL OR l.lifecycle = 'published') AND r.integrity IN ('none', 'match') AND r.parts IS NOT NULL AND r.kind IS NOT NULL
         AND coalesce(d.duplicate, 'unique') <> 'conflict' AND (e.ordinal IS NULL OR e.edition = 'latest')
         AND (r.kind <> 'derived' OR len(r.derived_from) > 0) THEN 'present' END AS state
FROM rows AS r
JOIN joined AS j USING (source, ordinal)
LEFT JOIN repeats AS d USING (source, ordinal)
LEFT JOIN editions AS e USING (source, ordinal)
LEFT JOIN copies AS c USING (source, ordinal)
LEFT JOIN told AS l USING (source, ordinal)
UNION ALL BY NAME
-- Of what is not here the ledger may know that it is gone.
SELECT DISTINCT record_id, 'deleted' AS state
FROM record_events AS e ANTI JOIN rows AS r USING (record_id)
WHERE type IN ('record_deleted', 'record_removed') AND verified
