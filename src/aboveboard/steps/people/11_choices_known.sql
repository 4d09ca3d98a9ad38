-- Each distinct choice once, with a number: whose it is, and since when exactly, no longer matters.
SELECT row_number() OVER ()::INTEGER AS choice, said, said.state, said.past, said.method, since
FROM (SELECT {{said}} AS said, min(since) AS since FROM choices_in_force GROUP BY ALL)
