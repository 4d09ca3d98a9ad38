-- The numbers of each case in words again, with what lies in the record as a whole: gates 0, 1, 2, 4 and 8.
-- NULL is unknown, never false.
SELECT
  r.* EXCLUDE (lo, hi, part_kind),
  CASE WHEN main THEN 'main' ELSE part_kind END AS part_kind,
  CASE WHEN main THEN lo ELSE 0::UBIGINT END AS record_lo,
  CASE WHEN main THEN hi ELSE 0::UBIGINT END AS record_hi
FROM (
  SELECT
    r.*,
    {{version_then}} AS version_then,
    coalesce(r.origin = 'first_party', FALSE) AS first_party,
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
      | flag(NOT r.has_subject, @integrity.subject_unresolved)
      | flag(NOT r.parts_known, @integrity.schema_unknown)
      | flag(r.taken_out = 2, @life.taken_out)
      | flag(licensed AND coalesce(r.upstream NOT IN ('present', 'deleted'), TRUE), @life.state_unknown) AS lo,
    flag(licensed AND r.upstream = 'deleted', @rights.upstream_deleted)
      | flag(r.listed, @rights.retracted)
      | flag(r.taken_out = 1, @subj.consent_unknown)
      | flag(licensed AND l.licence IS NULL, @rights.licence_missing)
      | CASE WHEN licensed THEN coalesce(l.against, 0::UBIGINT) ELSE 0::UBIGINT END AS hi,
    coalesce(licensed AND l.against = 0 AND r.upstream = 'present', FALSE) AS licence_covers,
    coalesce(r.origin IN {{origins}}, FALSE) AND NOT first_party AS from_elsewhere,
    licensed AS under_licence,
    cs.set_id,
    coalesce(cs.known, FALSE) AS known,
    coalesce(cs.set_lo, 0::UBIGINT) AS set_lo,
    coalesce(cs.set_hi, 0::UBIGINT) AS set_hi,
    coalesce(cs.explicit_lo, 0::UBIGINT) AS explicit_lo,
    coalesce(cs.biometric, FALSE) AS biometric,
    cs.sensitive, cs.serves_other_purposes, cs.promised, cs.ever_retained,
    -- Which run of versions counts depends on the audience; an unknown one holds by itself.
    cs.declared_since[{{needed}} + 1] AS declared_since,
    cs.window_elapsed[{{needed}} + 1] AS window_elapsed,
    CASE WHEN r.mark = 0 THEN [] ELSE m.labels END AS labels,
    CASE WHEN r.mark = 0 THEN [] ELSE m.signals END AS signals
  FROM (
    SELECT
      *,
      coalesce(origin = 'licensed' OR (origin IN ('federated', 'crawled') AND licence IS NOT NULL), FALSE) AS licensed
    FROM (SELECT c.*, {{situation_told}}, {{traits_told}} FROM cases AS c)
  ) AS r
  LEFT JOIN licences AS l ON l.licence = r.licence
  LEFT JOIN category_sets AS cs ON cs.set_id = r.set_number - 1
  LEFT JOIN marks AS m ON m.mark = r.mark
) AS r
