-- Whatever stands against another person's part in a case becomes one word, so that nothing about them is told. A no
-- of somebody who may have no part in it is an unknown.
SELECT
  case_id,
  bit_or(flag((p.lo & {{deny_lo}}) <> 0 OR (p.hi & {{deny_hi}}) <> 0,
              CASE WHEN doubtful THEN @subj.co_subject_unknown ELSE @subj.co_subject_denied END)
       | flag((p.lo & {{unknown_lo}}) <> 0 OR (p.hi & {{unknown_hi}}) <> 0, @subj.co_subject_unknown)) AS hi
FROM (
  SELECT case_id, doubtful, {{person_lo}} AS lo, {{person_hi}} AS hi
  FROM (
    SELECT *, {{stands}} AS stands
    FROM (
      SELECT p.*, m.reach, m.candidates_now, m.candidates_then, m.road
      FROM people AS p JOIN clauses_matching AS m USING (case_id)
    )
  )
) AS p
GROUP BY case_id
