-- Whose words or data stand in whose: what a record is derived from, what it quotes, and the parent it repeats.
SELECT source, ordinal, record_id, 'derived' AS via, unnest(derived_from) AS origin FROM rows WHERE len(derived_from) > 0
UNION ALL
SELECT source, ordinal, record_id, 'quoted', quoted_id FROM rows WHERE quoted_id IS NOT NULL
UNION ALL
SELECT source, ordinal, record_id, 'parent', parent_id FROM rows WHERE parent_id IS NOT NULL AND repeats_parent
