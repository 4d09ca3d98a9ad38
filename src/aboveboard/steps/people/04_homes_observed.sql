-- Residencies as attested or recorded; '' is an unknown one, and two different ones at one instant are unknown.
-- Administrators and strangers are not heard: what they say might open a door.
SELECT subject, start, CASE WHEN count(DISTINCT home) = 1 THEN min(home) ELSE '' END AS home
FROM (
  SELECT f.subject, f.start, coalesce(r.residency, '') AS home
  FROM (
    SELECT subject, greatest(valid_from, getvariable('beginning')) AS start, residency FROM facts
    UNION ALL
    SELECT subject, {{counts_from}}, value FROM events
    WHERE type = 'moved' AND verified AND actor NOT IN ('tenant_admin', 'stranger')
      AND recorded_at <= getvariable('as_of')
  ) AS f
  LEFT JOIN regions AS r ON r.residency = f.residency
)
WHERE start <= getvariable('as_of')
GROUP BY ALL
