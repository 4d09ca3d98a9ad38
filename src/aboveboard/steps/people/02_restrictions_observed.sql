-- What the ledger says of each restriction of an account: that it holds (deleted 5, suspended 4, deactivated 2, withheld
-- somewhere 1; protected 2), that it may hold (1: nobody verified it), or that it was lifted (0). An administrator or a
-- stranger may restrict and cannot lift.
SELECT
  subject, start,
  max(CASE type WHEN 'restored' THEN 0 WHEN 'deleted' THEN CASE WHEN verified THEN 5 ELSE 1 END END) AS deletion,
  max(CASE type WHEN 'unsuspended' THEN 0 WHEN 'suspended' THEN CASE WHEN verified THEN 4 ELSE 1 END END) AS suspension,
  max(CASE type WHEN 'reactivated' THEN 0 WHEN 'deactivated' THEN CASE WHEN verified THEN 2 ELSE 1 END END) AS deactivation,
  max(CASE type WHEN 'unwithheld' THEN 0 WHEN 'withheld' THEN 1 END) AS withholding,
  max(CASE type WHEN 'unprotected' THEN 0 WHEN 'protected' THEN CASE WHEN verified THEN 2 ELSE 1 END END) AS protection
FROM (
  SELECT
    subject, type, verified,
    CASE WHEN type IN {{restricts}} THEN greatest(least(effective_at, recorded_at), getvariable('beginning'))
         ELSE {{counts_from}} END AS start
  FROM events
  WHERE recorded_at <= getvariable('as_of')
    AND (type IN {{restricts}} OR (type IN {{lifts}} AND verified AND actor NOT IN ('tenant_admin', 'stranger')))
)
WHERE start <= getvariable('as_of')
GROUP BY ALL
