-- Everybody's intervals with the number of what is known then; by two moments of their own age is judged.
SELECT s.subject, s.collected_from, s.collected_to, s.minor_until, s.age_gap_until, k.standing
FROM stances AS s JOIN standings_known AS k USING (stance)
