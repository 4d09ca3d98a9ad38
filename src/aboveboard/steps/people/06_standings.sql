-- How each account stood, stands and stood in between, as a function of when a record was collected: the spans,
-- one stretch before the first of them, and one row for records whose collection time is unknown.
WITH spans AS (
  SELECT
    *,
    row_number() OVER life AS place,
    bool_or(state >= 3) OVER since AS lifted_between,
    bool_or(state = 1) OVER since AS state_gap_between,
    bool_or(protected = 2) OVER since AS protected_between,
    bool_or(protected = 1) OVER since AS protected_gap_between,
    max(CASE WHEN age >= 2 THEN next_start END) OVER whole AS minor_until,
    min(CASE WHEN age IS NOT NULL AND start > getvariable('beginning') THEN start END) OVER whole AS first_after,
    bool_or(age IS NOT NULL AND start <= getvariable('beginning')) OVER whole AS known_from_the_beginning,
    max(CASE WHEN age = 1 THEN next_start END) OVER past AS gap_until,
    last_value(state) OVER whole AS state_now,
    last_value(protected) OVER whole AS protected_now,
    last_value(age) OVER whole AS age_now,
    last_value(residency) OVER whole AS residency_now,
    last_value(last_interaction) OVER whole AS last_interaction_now
  FROM account_spans
  WINDOW
    life AS (PARTITION BY subject ORDER BY start),
    past AS (PARTITION BY subject ORDER BY start ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW),
    since AS (PARTITION BY subject ORDER BY start ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING),
    whole AS (PARTITION BY subject ORDER BY start ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
),
known AS (
  SELECT *, CASE WHEN NOT known_from_the_beginning THEN first_after END AS first_known,
    CASE WHEN NOT known_from_the_beginning THEN greatest(gap_until, first_after) ELSE gap_until END AS age_gap_until
  FROM spans
),
dated AS (
  SELECT
    subject, start AS collected_from, coalesce(next_start, getvariable('forever')) AS collected_to, state_now AS state,
    lifted_between, state_gap_between, protected AS protected_at, protected_now AS protected, protected_between,
    protected_gap_between, coalesce(age, 1) AS age_at, coalesce(age_now, 1) AS age, minor_until, age_gap_until,
    residency AS residency_at, residency_now AS residency, last_interaction_now AS last_interaction
  FROM known
),
early AS (
  SELECT
    subject, getvariable('beginning') AS collected_from, start AS collected_to, state_now AS state,
    lifted_between, TRUE AS state_gap_between, 1 AS protected_at, protected_now AS protected, protected_between,
    TRUE AS protected_gap_between, 1 AS age_at, coalesce(age_now, 1) AS age, minor_until, first_known AS age_gap_until,
    NULL AS residency_at, residency_now AS residency, last_interaction_now AS last_interaction
  FROM known
  WHERE place = 1 AND start > getvariable('beginning')
),
undated AS (
  SELECT
    subject, getvariable('undated') AS collected_from, getvariable('beginning') AS collected_to,
    any_value(state_now) AS state, bool_or(lifted_between) AS lifted_between, bool_or(state_gap_between) AS state_gap_between,
    1 AS protected_at, any_value(protected_now) AS protected, bool_or(protected_between) AS protected_between,
    bool_or(protected_gap_between) AS protected_gap_between, 1 AS age_at, coalesce(any_value(age_now), 1) AS age,
    max(minor_until) AS minor_until, max(age_gap_until) AS age_gap_until, any_value(residency_now) AS residency_at,
    any_value(residency_now) AS residency, any_value(last_interaction_now) AS last_interaction
  FROM known
  GROUP BY subject
)
FROM dated UNION ALL BY NAME FROM early UNION ALL BY NAME FROM undated
