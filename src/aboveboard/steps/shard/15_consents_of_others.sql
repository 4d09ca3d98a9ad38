-- Whether everybody else in a case renewed, or was told. (A person nobody can name did neither; they are `unnamed`.)
SELECT
  case_id,
  bool_and(renewed) AS all_renewed,
  bool_and(told_at IS NOT NULL) AS all_told,
  max(told_at) AS last_told,
  bool_and(open_throughout) AS all_open
FROM people
GROUP BY case_id
