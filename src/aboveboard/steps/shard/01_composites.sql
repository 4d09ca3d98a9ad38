-- Records that are more than a bare main part: with other parts, other people, labels or signals, or where nobody knows
-- whether. Few records are, and lists are slow to read and to carry: only theirs are.
SELECT ordinal, labels, signals, parties, parts, len(parts) AS others
FROM {{composed}}
WHERE labels IS NULL OR signals IS NULL OR parties IS NULL OR parts IS NULL
  OR len(labels) > 0 OR len(signals) > 0 OR len(parties) > 0 OR len(parts) > 0
