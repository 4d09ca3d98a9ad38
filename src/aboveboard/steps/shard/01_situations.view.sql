-- Every record once, with what lies in the record as a whole: gates 0, 1, 2, 4 and 8. NULL is unknown, never false.
SELECT
  r.*,
  CASE WHEN collected IS NULL THEN getvariable('undated') ELSE greatest(collected, getvariable('beginning')) END AS collected_key,
  {{version_then}} AS version_then,
  coalesce(r.origin = 'first_party', FALSE) AS first_party,
  -- A time of creation after collection, or after now, is a clock that cannot be right: it says nothing.
  CASE WHEN r.created_at <= getvariable('as_of') AND (collected IS NULL OR r.created_at <= collected)
       THEN r.created_at END AS made_at,
  flag(r.integrity = 'mismatch', @integrity.hash_mismatch)
    | flag(coalesce(r.integrity NOT IN ('none', 'match', 'mismatch'), TRUE), @integrity.schema_unknown)
    | flag(r.duplicate = 'conflict', @integrity.duplicate_conflict)
    | flag(r.duplicate = 'repeat', @integrity.duplicate_repeat)
    | flag(coalesce(r.duplicate NOT IN ('unique', 'first', 'repeat', 'conflict'), TRUE), @integrity.schema_unknown)
    | flag(r.edition = 'superseded', @life.superseded_edit)
    | flag(r.edition = 'deleted', @life.deleted_by_author)
    | flag(coalesce(r.edition NOT IN ('latest', 'superseded', 'deleted'), TRUE), @life.state_unknown)
    | flag(r.lifecycle = 'deleted', @life.deleted_by_author)
    | flag(r.lifecycle = 'removed', @life.moderated_removed)
    | flag(r.lifecycle = 'draft', @life.draft)
    | flag(r.lifecycle = 'restored', @life.restored_unconfirmed)
    | flag(coalesce(r.lifecycle NOT IN {{lifecycles}}, TRUE), @life.state_unknown)
    | flag(r.kind = 'message', @floor.direct_message)
    | flag(coalesce(r.kind NOT IN {{kinds}}, TRUE), @integrity.schema_unknown)
    | flag({{trains}} AND r.kind IN {{interaction_kinds}}, @cat.interaction_private_context)
    | flag(coalesce(r.origin NOT IN {{origins}}, TRUE), @floor.provenance_unknown)
    | flag(r.subject IS NULL, @integrity.subject_unresolved)
    | flag(r.parts IS NULL, @integrity.schema_unknown)
    | flag(licensed AND coalesce(r.upstream NOT IN ('present', 'deleted'), TRUE), @life.state_unknown) AS record_lo,
  flag(licensed AND r.upstream = 'deleted', @rights.upstream_deleted)
    | flag(licensed AND l.licence IS NULL, @rights.licence_missing)
    | CASE WHEN licensed THEN coalesce(l.against, 0::UBIGINT) ELSE 0::UBIGINT END AS record_hi,
  coalesce(licensed AND l.against = 0 AND r.upstream = 'present', FALSE) AS licence_covers,
  coalesce(r.origin IN {{origins}}, FALSE) AND NOT first_party AS from_elsewhere,
  licensed AS under_licence
FROM (
  SELECT
    *,
    CASE WHEN collected_at <= getvariable('as_of') THEN collected_at END AS collected,
    coalesce(origin = 'licensed' OR (origin IN ('federated', 'crawled') AND licence IS NOT NULL), FALSE) AS licensed
  FROM records
) AS r
LEFT JOIN licences AS l ON l.licence = r.licence
