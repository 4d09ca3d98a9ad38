-- What the ledger says of accounts being deleted (5), perhaps deleted (1: nobody verified it) or restored (0).
-- An administrator or a stranger may say deleted and cannot say restored.
SELECT
  subject,
  CASE type WHEN 'deleted' THEN greatest(least(effective_at, recorded_at), getvariable('beginning')) ELSE {{counts_from}} END AS start,
  max(CASE WHEN type = 'restored' THEN 0 WHEN verified THEN 5 ELSE 1 END) AS deletion
FROM events
WHERE recorded_at <= getvariable('as_of')
  AND (type = 'deleted' OR (type = 'restored' AND verified AND actor NOT IN ('tenant_admin', 'stranger')))
  AND CASE type WHEN 'deleted' THEN greatest(least(effective_at, recorded_at), getvariable('beginning')) ELSE {{counts_from}} END <= getvariable('as_of')
GROUP BY ALL
