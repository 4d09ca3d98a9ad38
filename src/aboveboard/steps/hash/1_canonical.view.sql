-- Each row with its canonical bytes (docs/formats/manifest.md).
SELECT
  * EXCLUDE (listed),
  net(text) || net(language) || net(kind) || net(listed) AS canonical
FROM (
  SELECT *, CASE WHEN parts IS NULL THEN NULL ELSE coalesce(array_to_string(list_transform(parts, lambda p:
    net(net(p.kind) || net(p.content))), ''), '') END AS listed
  FROM placed
)
