-- The life of each account as spans: what is known from each instant on, until the next.
SELECT
  subject,
  start,
  lead(start) OVER life AS next_start,
  greatest(
    coalesce(last_value(f.state IGNORE NULLS) OVER past, 1),
    coalesce(last_value(d.deletion IGNORE NULLS) OVER past, 0),
    coalesce(last_value(d.suspension IGNORE NULLS) OVER past, 0),
    coalesce(last_value(d.deactivation IGNORE NULLS) OVER past, 0),
    coalesce(last_value(d.withholding IGNORE NULLS) OVER past, 0)) AS state,
  greatest(
    coalesce(last_value(f.protected IGNORE NULLS) OVER past, 1),
    coalesce(last_value(d.protection IGNORE NULLS) OVER past, 0)) AS protected,
  last_value(a.age IGNORE NULLS) OVER past AS age,
  nullif(last_value(h.home IGNORE NULLS) OVER past, '') AS residency,
  nullif(last_value(f.last_interaction IGNORE NULLS) OVER past, getvariable('undated')) AS last_interaction
FROM facts_observed AS f
FULL JOIN restrictions_observed AS d USING (subject, start)
FULL JOIN ages_observed AS a USING (subject, start)
FULL JOIN homes_observed AS h USING (subject, start)
WINDOW
  life AS (PARTITION BY subject ORDER BY start),
  past AS (PARTITION BY subject ORDER BY start ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
