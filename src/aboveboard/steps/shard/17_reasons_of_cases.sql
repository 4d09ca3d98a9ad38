-- Every reason that lies in a case or in its primary subject, as bits; and whether it has a ground.
SELECT
  * EXCLUDE (record_lo, record_hi),
  CASE WHEN {{carrying_now}} <> 0 THEN {{carrying_now}} ELSE candidates_now END AS cited,
  record_lo | policy_lo | set_lo | {{person_lo}}
    | flag(NOT coalesce(known, FALSE), @integrity.schema_unknown)
    | flag(labels IS NULL, @integrity.schema_unknown)
    | flag(signals IS NULL, @integrity.schema_unknown)
    | CASE WHEN len(labels) > 0 THEN
        flag(list_bool_or(list_transform(labels, lambda x: coalesce(x NOT IN {{labels}}, TRUE))), @integrity.schema_unknown)
        | flag(list_contains(labels, 'illegal'), @floor.illegal_content)
        | flag(list_contains(labels, 'legal_hold_only'), @floor.legal_hold_only)
        | flag(list_contains(labels, 'permissioned_space'), @vis.permissioned_space)
      ELSE 0::UBIGINT END
    | CASE WHEN len(signals) > 0 THEN
        flag(list_bool_or(list_transform(signals, lambda s: NOT ({{is_signal}}))), @integrity.schema_unknown)
      ELSE 0::UBIGINT END
    | flag(NOT main AND coalesce(part_kind NOT IN {{part_kinds}}, TRUE), @integrity.schema_unknown)
    | flag(source_state = 'deleted', @life.deleted_by_parent)
    | flag(coalesce(source_state NOT IN ('own', 'present', 'deleted'), TRUE), @life.state_unknown)
    | flag(rank_at IS NULL OR rank_now IS NULL, @vis.audience_unknown)
    | CASE WHEN rank_at > reach THEN
             CASE rank_at WHEN 1 THEN @vis.unlisted WHEN 2 THEN @vis.logged_in_only WHEN 3 THEN @vis.followers_only
                          WHEN 6 THEN @vis.not_public_at_collection ELSE @vis.circle_or_list END
             | flag(rank_now <= reach, @vis.public_after_collection)
           WHEN rank_now > reach THEN
             @vis.not_public_now
             | CASE rank_now WHEN 1 THEN @vis.unlisted WHEN 2 THEN @vis.logged_in_only WHEN 3 THEN @vis.followers_only
                             WHEN 6 THEN 0::UBIGINT ELSE @vis.circle_or_list END
           ELSE 0::UBIGINT END
    | {{retention_lo}}
    | flag(collected IS NULL, @policy.collection_time_missing)
    | flag({{promise_narrows}}, @policy.commitment_narrows) AS lo,
  record_hi | set_hi | {{person_hi}}
    | flag(unnamed, @subj.co_subject_unknown)
    | CASE WHEN len(labels) > 0 THEN
        flag(list_contains(labels, 'purpose_fulfilled'), @ret.purpose_fulfilled)
        | flag(list_contains(labels, 'quote_authorisation_revoked'), @subj.quote_authorisation_revoked)
        | flag(list_contains(labels, 'unidentified_person'), @subj.co_subject_unknown)
      ELSE 0::UBIGINT END
    | CASE WHEN len(signals) > 0 THEN
        list_bit_or(list_transform(signals, lambda s: CASE WHEN {{signal_speaks}} THEN {{signal_bit}} ELSE 0::UBIGINT END))
      ELSE 0::UBIGINT END
    | flag(candidates_now <> 0 AND candidates_now & {{bits.names}} = 0, {{not_named}})
    | flag(candidates_then <> 0 AND candidates_then & {{bits.names}} = 0, {{not_named}})
    | {{retention_hi}}
    | flag(part_kind = 'mention', @xform.mention_pseudonymised)
    | CASE WHEN from_elsewhere THEN
             CASE WHEN licence_covers THEN @allow.licence WHEN under_licence THEN 0::UBIGINT ELSE @allow.none END
           WHEN {{carried.candidates_now}} AND (NOT then_needed OR {{carried.candidates_then}}) THEN
             CASE road WHEN 1 THEN @allow.renewed_consent WHEN 2 THEN @allow.notice_elapsed
                       ELSE CASE WHEN choice = 'given' THEN @allow.explicit_consent ELSE @allow.policy_clause END END
           ELSE 0::UBIGINT END AS hi
FROM (SELECT *, {{stands}} AS stands, {{reaching}} AS reaching FROM clauses_matching)
