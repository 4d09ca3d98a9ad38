-- One row a part: the main part of every record (0) and its other parts (1, 2, ...), with the kind of data it is.
SELECT
  p.* EXCLUDE (categories),
  cs.set_id,
  coalesce(cs.known, FALSE) AS known,
  coalesce(cs.set_lo, 0::UBIGINT) AS set_lo,
  coalesce(cs.set_hi, 0::UBIGINT) AS set_hi,
  coalesce(cs.explicit_lo, 0::UBIGINT) AS explicit_lo,
  coalesce(cs.biometric, FALSE) AS biometric,
  cs.sensitive, cs.job_scope, cs.share_scope, cs.explicit_scope, cs.serves_other_purposes, cs.promised, cs.ever_retained,
  -- Which run of versions counts depends on the audience; an unknown one holds by itself.
  cs.declared_since[{{needed}} + 1] AS declared_since,
  cs.window_elapsed[{{needed}} + 1] AS window_elapsed
FROM (
  SELECT
    ordinal, 0 AS part, 'main' AS part_kind, categories, labels, audience_at, audience_now, parties, signals, source_state,
    CAST(NULL AS VARCHAR) AS place, CAST(NULL AS INTEGER) AS span_start, CAST(NULL AS INTEGER) AS span_end,
    FALSE AS has_content,
    subject, made_at, collected, collected_key, version_then, first_party, record_lo, record_hi, licence_covers,
    from_elsewhere, under_licence, kind, origin, source, language
  FROM situations
  UNION ALL
  SELECT
    ordinal, part, p.kind, p.categories, p.labels, p.audience_at, p.audience_now, p.parties, p.signals, p.source_state,
    p.place, p."start", p."end", p.content IS NOT NULL AND p.content <> '',
    subject, made_at, collected, collected_key, version_then, first_party, 0::UBIGINT, 0::UBIGINT, licence_covers,
    from_elsewhere, under_licence, kind, origin, source, language
  FROM (SELECT *, unnest(parts) AS p, generate_subscripts(parts, 1) AS part FROM situations WHERE len(parts) > 0)
) AS p
LEFT JOIN category_sets AS cs ON cs.categories = p.categories
