-- The other parts of each released row as one text of netstrings.
SELECT *, CASE WHEN parts IS NULL THEN NULL ELSE coalesce(array_to_string(list_transform(parts, lambda p:
  net(net(p.kind) || net(p.content))), ''), '') END AS listed
FROM released
