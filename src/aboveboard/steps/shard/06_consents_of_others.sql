-- Whether everybody else in a part renewed, or was told; a person nobody can name did neither.
SELECT
  o.ordinal,
  o.part,
  bool_and(coalesce(p.renewed, FALSE)) AS all_renewed,
  bool_and(p.told_at IS NOT NULL) AS all_told,
  max(p.told_at) AS last_told,
  bool_and(coalesce(p.open_throughout, FALSE)) AS all_open,
  bool_or(o.subject IS NULL) AS unnamed
FROM others AS o
LEFT JOIN people AS p ON p.ordinal = o.ordinal AND p.part = o.part AND p.subject = o.subject
GROUP BY ALL
