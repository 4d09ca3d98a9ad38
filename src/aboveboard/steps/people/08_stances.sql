-- What is known of everybody who has spoken or is known, as one value an interval. Moments that are only ever compared
-- with today, or with a limit that a rule sets, are in it as what these comparisons say.
SELECT
  s.subject,
  coalesce(f.collected_from, getvariable('undated')) AS collected_from,
  coalesce(f.collected_to, getvariable('forever')) AS collected_to,
  f.minor_until,
  f.age_gap_until,
  f.last_interaction,
  n.shown_at,
  {'known': f.subject IS NOT NULL, 'state': f.state, 'lifted_between': f.lifted_between,
   'state_gap_between': f.state_gap_between, 'protected_at': f.protected_at, 'protected': f.protected,
   'protected_between': f.protected_between, 'protected_gap_between': f.protected_gap_between, 'age_at': f.age_at,
   'age': f.age, 'residency_at': f.residency_at, 'residency': f.residency, 'silence': f.silence, 'unlisted': f.unlisted,
   'signals': f.signals, 'residency_holds': f.residency_holds, 'abroad': f.abroad,
   'suppressed': z.subject IS NOT NULL,
   'interaction': {{interaction_passed}},
   'told': {{told_passed}}} AS stance
FROM (
  SELECT subject FROM subjects_in_force UNION SELECT subject FROM suppressed UNION SELECT subject FROM notices_now
) AS s
LEFT JOIN subjects_in_force AS f USING (subject)
LEFT JOIN suppressed AS z USING (subject)
LEFT JOIN notices_now AS n USING (subject)
