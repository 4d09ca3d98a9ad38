-- Every part as four numbers: the record it is in, what it is, its primary subject, the other people in it.
-- Nothing else about it can change what is judged, so that parts with the same four are one case.
WITH described AS (
  SELECT
    ordinal, 0 AS part, situation, subject, collected, made_at, something_said, plain, words, categories,
    0 AS mark, 0 AS company, FALSE AS unnamed
  FROM mains
  WHERE NOT composed
  UNION ALL
  SELECT
    u.ordinal, u.part, u.situation, u.subject, u.collected, u.made_at, u.something_said, u.plain, u.words, u.categories,
    coalesce(m.mark, 0), coalesce(o.company, 0), u.parties IS NULL OR coalesce(c.unnamed, FALSE)
  FROM units AS u
  LEFT JOIN marks AS m ON m.labels IS NOT DISTINCT FROM u.labels AND m.signals IS NOT DISTINCT FROM u.signals
  LEFT JOIN circles AS c USING (ordinal, part)
  LEFT JOIN companies AS o USING (people)
)
SELECT
  u.ordinal, u.part, u.situation, u.collected, u.something_said, u.plain,
  u.words | {{numbers}} AS traits,
  {{person}} AS person,
  u.company
FROM (
  SELECT
    u.*, FALSE AS doubtful, {{collected_key}} AS collected_key, cs.set_id, cs.job_scope, cs.share_scope, cs.explicit_scope
  FROM described AS u
  LEFT JOIN category_sets AS cs USING (categories)
) AS u
{{person_joins}}
