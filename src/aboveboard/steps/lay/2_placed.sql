-- Where each row will stand: the file of its person, its place in it and its nonce; and its parts as one text.
SELECT
  s.*,
  h.shard,
  sha256(getvariable('order_key') || net(s.source) || net(s.record_id)) AS place,
  CASE WHEN parts IS NULL THEN NULL ELSE coalesce(array_to_string(list_transform(parts, lambda p:
    net(net(p.kind) || net(p.content))), ''), '') END AS listed
FROM scrubbed AS s
JOIN homes AS h USING (subject)
