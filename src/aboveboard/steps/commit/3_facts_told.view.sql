-- The facts of each released record as bytes (docs/formats/descriptor.md), and what its descriptor says again of them.
SELECT
  ordinal, subject, leaf, clause, policy_at_collection, policy_now, shared,
  source, record, kind, created, collected,
  concat(record, source, kind, net(subject), net(language), created, collected, likes, parts) AS facts
FROM (
  SELECT
    h.ordinal, h.subject, h.leaf, h.language,
    net(h.source) AS source, net(h.record_id) AS record, net(h.kind) AS kind,
    net(epoch_us(h.created_at)::VARCHAR) AS created, net(epoch_us(h.collected_at)::VARCHAR) AS collected,
    a.told AS likes,
    CASE WHEN t.told IS NOT NULL THEN net(t.told) ELSE '' END AS parts,
    h.clause, h.policy_at_collection, h.policy_now,
    o.ordinal IS NOT NULL AS shared
  FROM hashed AS h
  JOIN likes_told AS a USING (ordinal)
  LEFT JOIN parts_told AS t USING (ordinal)
  LEFT JOIN peopled AS o USING (ordinal)
)
