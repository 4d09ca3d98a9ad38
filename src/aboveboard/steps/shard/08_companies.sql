-- Each distinct circle of people once, with a number.
SELECT row_number() OVER ()::INTEGER AS company, people
FROM (SELECT DISTINCT people FROM circles WHERE people IS NOT NULL)
