-- Each way to end once: every case of a main part by itself, and every record that may lose parts or says nothing.
-- Outcome, decisive reason, every reason as bits, clause and policy versions.
WITH met AS (
  SELECT
    case_id AS ending, v.* EXCLUDE (removed), 0::UBIGINT AS part_lo, 0::UBIGINT AS part_hi, FALSE AS any_removed, FALSE AS incomplete,
    FALSE AS attachment_kept, TRUE AS something_left, CAST(NULL AS INTEGER[]) AS removed, NULL AS cuts
  FROM cases_judged AS v
  WHERE main
  UNION ALL
  SELECT
    -1 - c.ordinal, v.* EXCLUDE (removed), coalesce(r.part_lo, 0::UBIGINT), coalesce(r.part_hi, 0::UBIGINT), coalesce(r.any_removed, FALSE),
    coalesce(r.incomplete, FALSE), coalesce(r.attachment_kept, FALSE), coalesce(m.something_left, c.something_said),
    r.removed, r.cuts
  FROM circumstances AS c
  JOIN cases_judged AS v USING (situation, traits, person, company)
  LEFT JOIN removals AS r USING (ordinal)
  LEFT JOIN remainders AS m USING (ordinal)
  WHERE c.part = 0 AND NOT c.plain
),
obliged AS (
  SELECT
    ending, lo, signals_hold, cited, version_then, part_lo, part_hi, any_removed, removed, cuts,
    hi | CASE
      WHEN against THEN 0::UBIGINT
      WHEN incomplete THEN @xform.redaction_incomplete
      WHEN kind = 'repost' THEN @xform.nothing_left
      WHEN NOT attachment_kept AND NOT something_left THEN @xform.nothing_left
      ELSE 0::UBIGINT END AS hi
  FROM met
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
  ending,
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
