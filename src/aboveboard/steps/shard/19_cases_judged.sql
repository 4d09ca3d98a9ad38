-- Each case by itself: does anything stand against it, and has it a ground? Default deny: no ground, no use.
SELECT
  * EXCLUDE (hi, against),
  against,
  against OR hi & {{ground_hi}} = 0 AS removed,
  CASE WHEN NOT against AND hi & {{ground_hi}} = 0 AND NOT main THEN hi | @allow.none ELSE hi END AS hi
FROM (
  SELECT
    *,
    (lo & {{deny_lo}}) <> 0 OR (hi & {{deny_hi}}) <> 0 OR (lo & {{unknown_lo}}) <> 0
      OR (hi & {{unknown_hi}}) <> 0 OR (signals_hold AND (hi & {{by_regime_hi}}) <> 0) AS against
  FROM (
    SELECT
      r.case_id, r.situation, r.traits, r.person, r.company, r.main, r.kind, r.version_then,
      r.cited, r.lo, r.hi | coalesce(o.hi, 0::UBIGINT) AS hi, r.signals_cell = 1 AS signals_hold
    FROM reasons_of_cases AS r
    LEFT JOIN reasons_of_others AS o USING (case_id)
  )
)
