-- Each distinct pair of labels and signals once, with a number; most parts have none of either.
SELECT row_number() OVER ()::INTEGER AS mark, labels, signals
FROM (
  SELECT DISTINCT labels, signals FROM units
  WHERE labels IS NULL OR signals IS NULL OR len(labels) > 0 OR len(signals) > 0
)
