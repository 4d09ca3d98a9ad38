-- What every row of every source says of itself and of others, without its text.
SELECT
  source, ordinal, record_id, subject, kind, lifecycle, revision_of, revision, parent_id, quoted_id, derived_from,
  collected_at, categories, labels, parties, signals, audience_at, audience_now
FROM staged
