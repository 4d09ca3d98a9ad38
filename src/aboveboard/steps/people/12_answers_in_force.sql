-- Everybody's choices with the number of what was said.
SELECT c.scope_id, c.subject, c.collected_from, c.collected_to, k.choice
FROM (SELECT *, {{said}} AS said FROM choices_in_force) AS c JOIN choices_known AS k USING (said)
