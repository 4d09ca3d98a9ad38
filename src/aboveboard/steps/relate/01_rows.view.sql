-- What every row of every source says of itself and of others, without its text.
SELECT
  source, ordinal, record_id, subject, kind, origin, licence, lifecycle, integrity, revision_of, revision, parent_id,
  quoted_id, derived_from, created_at, collected_at, categories, labels, parties, signals, audience_at, audience_now, parts,
  coalesce(len(list_filter(parts, lambda p: p.kind = 'parent_quote')) > 0, FALSE) AS repeats_parent
FROM staged
