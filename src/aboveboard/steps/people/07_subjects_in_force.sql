-- The same with the law that applies: cell by cell the strictest of the job's regime, the establishment's, and those
-- of the residency then and now; an unknown residency reads the strictest of all.
SELECT
  s.* EXCLUDE (residency_at, residency),
  s.residency_at,
  s.residency,
  greatest({{base.silence_opt_out}}, then_.silence_opt_out, now_.silence_opt_out,
           CASE WHEN away THEN {{any.silence_opt_out}} END) AS silence,
  greatest({{base.unlisted}}, then_.unlisted, now_.unlisted, CASE WHEN away THEN {{any.unlisted}} END) AS unlisted,
  greatest({{base.signal_unknown}}, then_.signal_unknown, now_.signal_unknown,
           CASE WHEN away THEN {{any.signal_unknown}} END) AS signals,
  away AND greatest({{base.unknown_residency}}, then_.unknown_residency, now_.unknown_residency) = 1 AS residency_holds,
  NOT away AND NOT then_.us AND NOT now_.us AS abroad
FROM (SELECT *, residency_at IS NULL OR residency IS NULL AS away FROM standings) AS s
LEFT JOIN regions AS then_ ON then_.residency = s.residency_at
LEFT JOIN regions AS now_ ON now_.residency = s.residency
