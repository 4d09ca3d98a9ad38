-- Each distinct stance once, with a number; of moments that compare alike, one stands for all.
SELECT
  row_number() OVER ()::INTEGER AS standing, stance, last_interaction, shown_at, stance.*
FROM (
  SELECT stance, min(last_interaction) AS last_interaction, min(shown_at) AS shown_at FROM stances GROUP BY stance
)
