-- Of each text the rows that were first, by the evidence of when they were collected, and what follows for the others:
-- whose words they are, or may be, what was signalled about them, and whether they still stand. Where one person was
-- first, that is certain; where several were first in the same instant, or some row has no time, each of them may have
-- been. Nothing follows for the first, nor from later rows to earlier ones.
WITH alike_known AS (
  SELECT
    a.words, r.record_id, r.source, r.ordinal, r.subject, r.collected_at, r.signals,
    CASE WHEN r.lifecycle IN ('deleted', 'removed') OR e.edition = 'superseded' OR l.superseded
           OR l.lifecycle IN ('deleted', 'removed') THEN 'deleted'
         WHEN r.lifecycle IN ('published', 'draft') AND (e.ordinal IS NULL OR e.edition = 'latest')
           AND (l.ordinal IS NULL OR l.lifecycle = r.lifecycle) THEN 'present' END AS state
  FROM alike AS a
  JOIN rows AS r USING (source, ordinal)
  LEFT JOIN editions AS e USING (source, ordinal)
  LEFT JOIN told AS l USING (source, ordinal)
),
earliest AS (
  SELECT words, min(collected_at) AS collected_at FROM alike_known GROUP BY words
),
firsts AS (
  SELECT k.* FROM alike_known AS k JOIN earliest AS f USING (words)
  WHERE k.collected_at IS NULL OR k.collected_at = f.collected_at
),
authors AS (
  SELECT
    words,
    count(DISTINCT subject) + max((subject IS NULL)::INTEGER) = 1 AS certain,
    list_distinct(list(subject)) AS subjects,
    bool_or(subject IS NULL) OR count(DISTINCT subject) > {{most_authors}} AS unnamed,
    -- Of whom it matters that nobody knows whether they were first: then it is unknown whether it follows.
    list_distinct(list(coalesce(subject, '')) FILTER (state IS DISTINCT FROM 'present' OR signals IS NULL OR len(signals) > 0))
      AS troubled,
    CASE WHEN bool_or(state = 'deleted') THEN 'deleted' WHEN bool_and(state IS NOT NULL) THEN 'present' END AS state,
    CASE WHEN bool_or(signals IS NULL) THEN NULL ELSE list_distinct(flatten(list(signals))) END AS signals,
    list(DISTINCT record_id) AS origins
  FROM firsts
  GROUP BY words
),
others AS (
  SELECT
    k.source, k.ordinal, k.subject IS NOT NULL AS somebody, f.* EXCLUDE (words, subjects, troubled),
    list_filter(f.subjects, lambda s: s IS DISTINCT FROM k.subject) AS subjects,
    len(list_filter(f.troubled, lambda s: s <> coalesce(k.subject, ''))) > 0 AS troubled
  FROM alike_known AS k JOIN authors AS f USING (words)
)
SELECT
  source, ordinal,
  CASE WHEN certain AND unnamed THEN [{'subject': CAST(NULL AS VARCHAR), 'role': '{{certain}}'}]
       WHEN certain THEN [{'subject': subjects[1], 'role': '{{certain}}'}]
       WHEN unnamed OR coalesce(troubled, FALSE) THEN list_append(
         CASE WHEN len(subjects) > {{most_authors}} THEN [] ELSE list_transform(subjects, lambda s: {'subject': s, 'role': '{{possible}}'}) END,
         {'subject': CAST(NULL AS VARCHAR), 'role': '{{possible}}'})
       ELSE list_transform(list_sort(subjects), lambda s: {'subject': s, 'role': '{{possible}}'}) END AS parties,
  CASE WHEN certain THEN signals ELSE [] END AS signals,
  CASE WHEN certain THEN state ELSE 'present' END AS state,
  origins[1:{{most_authors}}] AS origins
FROM others
WHERE len(subjects) > 0 OR (unnamed AND (somebody OR NOT certain))
