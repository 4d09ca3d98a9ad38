-- What the platform attests, one row an instant and account: where two rows share an instant, the stricter holds.
SELECT
  subject,
  greatest(valid_from, getvariable('beginning')) AS start,
  max(CASE state WHEN 'active' THEN 0 WHEN 'deactivated' THEN 2 WHEN 'memorial' THEN 3 WHEN 'suspended' THEN 4
                 WHEN 'deleted' THEN 5 ELSE 1 END) AS state,
  max(CASE protected WHEN FALSE THEN 0 WHEN TRUE THEN 2 ELSE 1 END) AS protected,
  coalesce(CASE WHEN count(last_interaction) = count(*) THEN greatest(min(last_interaction), getvariable('beginning')) END,
           getvariable('undated')) AS last_interaction
FROM facts
WHERE greatest(valid_from, getvariable('beginning')) <= getvariable('as_of')
GROUP BY ALL
