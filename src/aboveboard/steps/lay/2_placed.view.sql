-- Each row with the finest file of its person, and its canonical bytes (docs/formats/manifest.md).
SELECT
  *,
  net(text) || net(language) || net(kind) || net(listed) AS canonical
FROM (
  SELECT
    s.*,
    h.shard,
    CASE WHEN parts IS NULL THEN NULL ELSE coalesce(array_to_string(list_transform(parts, lambda p:
      net(net(p.kind) || net(p.content))), ''), '') END AS listed
  FROM scrubbed AS s
  JOIN homes AS h USING (subject)
)
