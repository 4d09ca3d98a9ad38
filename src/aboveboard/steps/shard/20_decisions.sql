-- One decision per source row: outcome, decisive reason, every reason as bits, clause and policy versions.
WITH obliged AS (
  SELECT
    c.ordinal,
    c.record_id,
    c.source,
    v.lo,
    v.hi | CASE
      WHEN v.against THEN 0::UBIGINT
      WHEN coalesce(r.incomplete, FALSE) THEN @xform.redaction_incomplete
      WHEN v.kind = 'repost' THEN @xform.nothing_left
      WHEN NOT coalesce(r.attachment_kept, FALSE) AND NOT coalesce(m.something_left, c.something_said) THEN @xform.nothing_left
      ELSE 0::UBIGINT END AS hi,
    v.signals_hold,
    v.cited,
    v.version_then,
    coalesce(r.part_lo, 0::UBIGINT) AS part_lo,
    coalesce(r.part_hi, 0::UBIGINT) AS part_hi,
    coalesce(r.any_removed, FALSE) AS any_removed,
    r.removed,
    r.cuts
  FROM circumstances AS c
  JOIN cases_judged AS v USING (situation, traits, person, company)
  LEFT JOIN removals AS r USING (ordinal)
  LEFT JOIN remainders AS m USING (ordinal)
  WHERE c.part = 0
),
grounded AS (
  SELECT
    * EXCLUDE (hi),
    {{unknown_hi}} | CASE WHEN signals_hold THEN {{by_regime_hi}} ELSE 0::UBIGINT END AS holding_hi,
    CASE WHEN (lo & {{deny_lo}}) = 0 AND (hi & {{deny_hi}}) = 0 AND (lo & {{unknown_lo}}) = 0
          AND (hi & holding_hi) = 0 AND (hi & {{ground_hi}}) = 0 THEN hi | @allow.none ELSE hi END AS hi
  FROM obliged
),
judged AS (
  SELECT
    *,
    CASE WHEN (lo & {{deny_lo}}) <> 0 OR (hi & {{deny_hi}}) <> 0 THEN 3
         WHEN (lo & {{unknown_lo}}) <> 0 OR (hi & holding_hi) <> 0 THEN 2
         WHEN any_removed THEN 1
         ELSE 0 END AS outcome
  FROM grounded
),
producing AS (
  SELECT
    *,
    CASE outcome WHEN 3 THEN lo & {{deny_lo}} WHEN 2 THEN lo & {{unknown_lo}}
                 WHEN 1 THEN part_lo & ({{deny_lo}} | {{unknown_lo}}) ELSE 0::UBIGINT END AS by_lo,
    CASE outcome WHEN 3 THEN hi & {{deny_hi}} WHEN 2 THEN hi & holding_hi
                 WHEN 1 THEN part_hi & ({{deny_hi}} | holding_hi) ELSE hi & {{ground_hi}} END AS by_hi
  FROM judged
)
SELECT
  ordinal,
  source,
  record_id,
  outcome::UTINYINT AS outcome,
  CASE WHEN by_lo <> 0 THEN getvariable('low_ids')[bit_count(xor(by_lo, by_lo - 1))]
       ELSE getvariable('high_ids')[bit_count(xor(by_hi, by_hi - 1))] END::USMALLINT AS decisive,
  lo AS reasons_lo,
  hi AS reasons_hi,
  part_lo AS part_reasons_lo,
  part_hi AS part_reasons_hi,
  removed,
  cuts,
  CASE WHEN cited <> 0 THEN getvariable('clause_ids')[bit_count(xor(cited, cited - 1))] END AS clause,
  getvariable('version_names')[version_then + 1] AS policy_at_collection,
  getvariable('version_name_now') AS policy_now
FROM producing
