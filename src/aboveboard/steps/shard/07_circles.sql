-- The other people of each part as the numbers of what is known of them: who they are no longer matters.
SELECT
  u.ordinal,
  u.part,
  bool_or(u.subject IS NULL) AS unnamed,
  list_sort(list(DISTINCT {{person}}) FILTER (u.subject IS NOT NULL)) AS people
FROM (
  SELECT o.*, {{collected_key}} AS collected_key, cs.set_id, cs.job_scope, cs.share_scope, cs.explicit_scope
  FROM others AS o LEFT JOIN category_sets AS cs USING (categories)
) AS u
{{person_joins}}
GROUP BY u.ordinal, u.part
