-- Each distinct case once. Of moments that lie between the same limits, one stands for all.
SELECT row_number() OVER () AS case_id, *
FROM (
  SELECT situation, traits, person, company, min(collected) AS collected FROM circumstances
  GROUP BY situation, traits, person, company
)
