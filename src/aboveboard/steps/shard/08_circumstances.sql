-- Every part as four numbers: the record it is in, what it is, its primary subject, the other people in it.
-- Nothing else about it can change what is judged, so that parts with the same four are one case.
SELECT
  u.ordinal, u.part, u.source, u.record_id, u.situation, u.collected, u.something_said, u.plain,
  u.words | {{numbers}} AS traits,
  {{person}} AS person,
  u.company
FROM (
  SELECT
    u.*, FALSE AS doubtful, {{collected_key}} AS collected_key, cs.set_id, cs.job_scope, cs.share_scope, cs.explicit_scope,
    coalesce(m.mark, 0) AS mark, coalesce(o.company, 0) AS company,
    u.parties IS NULL OR coalesce(c.unnamed, FALSE) AS unnamed
  FROM units AS u
  LEFT JOIN category_sets AS cs USING (categories)
  LEFT JOIN marks AS m ON m.labels IS NOT DISTINCT FROM u.labels AND m.signals IS NOT DISTINCT FROM u.signals
  LEFT JOIN circles AS c USING (ordinal, part)
  LEFT JOIN companies AS o USING (people)
) AS u
{{person_joins}}
