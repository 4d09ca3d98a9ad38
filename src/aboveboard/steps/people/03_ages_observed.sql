-- Age bands as attested or recorded: 0 adult, 1 unknown, 2 teenager, 3 under 13; the youngest at one instant holds.
-- Administrators and strangers are not heard: what they say might open a door.
SELECT subject, start, max(CASE band WHEN 'adult' THEN 0 WHEN '13_17' THEN 2 WHEN 'under_13' THEN 3 ELSE 1 END) AS age
FROM (
  SELECT subject, greatest(valid_from, getvariable('beginning')) AS start, age_band AS band FROM facts
  UNION ALL
  SELECT subject, {{counts_from}}, value FROM events
  WHERE type = 'age_changed' AND verified AND actor NOT IN ('tenant_admin', 'stranger')
    AND recorded_at <= getvariable('as_of')
)
WHERE start <= getvariable('as_of')
GROUP BY ALL
