-- The facts of each released record as bytes, and whether anybody else is in it (docs/formats/descriptor.md).
SELECT
  h.*,
  d.clause, d.policy_at_collection, d.policy_now, d.removed,
  r.created_at, r.collected_at,
  {{others}} AS shared,
  sha256({{facts}}) AS facts
FROM hashed AS h
JOIN decisions AS d USING (ordinal)
JOIN records AS r USING (ordinal)
LEFT JOIN parts_told AS t USING (ordinal)
