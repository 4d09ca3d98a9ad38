-- Which clauses may carry a case: of the version now and of the version at collection, unless the widening is lifted.
-- Clauses are bits; `candidates_*` hold what may apply, `certain_*` what surely does.
WITH asked AS (
  SELECT
    p.* EXCLUDE (renewed, told_at, open_throughout),
    p.renewed AND coalesce(c.all_renewed, TRUE) AS all_renewed,
    p.told_at IS NOT NULL AND coalesce(c.all_told, TRUE) AS all_told,
    greatest(p.told_at, c.last_told) AS last_told,
    p.open_throughout AND coalesce(c.all_open, TRUE) AS all_open,
    p.first_party AND coalesce(p.known, FALSE) AS governed,
    {{holds}} AS holds,
    {{perhaps}} AS perhaps,
    {{denies}} AS denies,
    {{perhaps_denies}} AS perhaps_denies,
    coalesce(n.permits, 0::UBIGINT) AS permits_now, coalesce(n.denies, 0::UBIGINT) AS denies_now,
    coalesce(t.permits, 0::UBIGINT) AS permits_then, coalesce(t.denies, 0::UBIGINT) AS denies_then,
    CASE WHEN p.collected IS NULL THEN coalesce(p.ever_retained, 0::UBIGINT)
         ELSE coalesce(n.retentions, 0::UBIGINT) | coalesce(t.retentions, 0::UBIGINT) END AS retentions,
    {{cap}} AS cap,
    {{rank_at}} AS rank_at,
    {{rank_now}} AS rank_now
  FROM primaries AS p
  LEFT JOIN consents_of_others AS c USING (case_id)
  LEFT JOIN terms AS n ON n.set_id = p.set_id AND n.version = getvariable('version_now')
  LEFT JOIN terms AS t ON t.set_id = p.set_id AND t.version = p.version_then
),
read AS (
  SELECT
    *,
    CASE WHEN governed AND {{version_exists}} AND denies_now & denies = 0 THEN permits_now & (holds | perhaps) ELSE 0::UBIGINT END AS candidates_now,
    CASE WHEN governed AND {{version_exists}} AND denies_then & denies = 0 THEN permits_then & (holds | perhaps) ELSE 0::UBIGINT END AS candidates_then_
  FROM asked
),
declared AS (
  SELECT
    *,
    CASE WHEN candidates_now = 0 THEN 0
         WHEN candidates_now & holds <> 0 AND denies_now & perhaps_denies = 0 THEN 2 ELSE 1 END AS declared_now,
    CASE WHEN candidates_then_ = 0 THEN 0
         WHEN candidates_then_ & holds <> 0 AND denies_then & perhaps_denies = 0 THEN 2 ELSE 1 END AS declared_then
  FROM read
),
widened AS (
  SELECT
    *,
    -- What the version of then does not carry by itself needs to be lifted: by a yes that names it, or by notice.
    governed AND {{version_exists}} AND version_then IS NOT NULL AND declared_now = 2
      AND NOT (declared_then = 2 AND {{carried.then_alone}}
               AND (least(cap, {{widest.candidates_then}}) >= 3 OR all_open)) AS widening,
    CASE
      WHEN NOT widening OR unnamed OR declared_since IS NULL OR {{never_reaches_back}} THEN 0
      WHEN all_renewed THEN 1
      WHEN {{notice_road}} AND candidates_now & {{bits.interest}} <> 0 AND all_told
        THEN CASE WHEN {{told_until}} > getvariable('as_of') THEN 3 ELSE 2 END
      ELSE 0
    END AS road
  FROM declared
)
SELECT
  * EXCLUDE (candidates_then_),
  road IN (1, 2) AS lifted,
  CASE WHEN road IN (1, 2) THEN 0::UBIGINT ELSE candidates_then_ END AS candidates_then,
  version_then IS NOT NULL AND road NOT IN (1, 2) AS then_needed,
  CASE WHEN NOT first_party AND known AND denies_now & denies <> 0 THEN @policy.purpose_not_declared_now
       WHEN NOT first_party AND known AND denies_now & perhaps_denies <> 0 THEN @policy.clause_ambiguous
       WHEN NOT governed THEN 0::UBIGINT
       WHEN NOT {{version_exists}} THEN @policy.no_policy_for_time
       WHEN version_then IS NULL THEN
         CASE WHEN collected IS NULL THEN 0::UBIGINT ELSE @policy.no_policy_for_time END
         | CASE declared_now WHEN 0 THEN @policy.purpose_not_declared_now WHEN 1 THEN @policy.clause_ambiguous ELSE 0::UBIGINT END
       WHEN road IN (1, 2) THEN 0::UBIGINT
       WHEN declared_now = 1 OR declared_then = 1 THEN @policy.clause_ambiguous
       WHEN declared_then = 2 AND declared_now = 0 THEN @policy.purpose_not_declared_now
       WHEN declared_then = 0 AND declared_now = 0 THEN
         @policy.purpose_not_declared_at_collection | flag(serves_other_purposes, @policy.category_purpose_mismatch)
       WHEN declared_then = 0 AND road = 3 THEN @policy.notice_window_open
       WHEN declared_then = 0 THEN @policy.widened_not_reconsented
       ELSE 0::UBIGINT END AS policy_lo,
  CASE WHEN NOT governed OR NOT {{version_exists}} THEN CASE WHEN {{trains}} OR NOT first_party THEN 0 ELSE 6 END
       WHEN candidates_now = 0 AND (road IN (1, 2) OR candidates_then_ = 0) AND NOT {{trains}} THEN 6
       ELSE least(cap,
                  CASE WHEN candidates_now <> 0 THEN {{widest.candidates_now}} END,
                  CASE WHEN road NOT IN (1, 2) AND candidates_then_ <> 0 THEN {{widest.candidates_then}} END) END AS reach
FROM widened
