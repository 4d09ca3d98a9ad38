-- Each row with its leaf: SHA-256 over 0x00, its nonce and its canonical bytes (docs/formats/manifest.md).
SELECT
  * EXCLUDE (listed, place),
  substr(place, 1, 16) AS place,
  nonce,
  unhex(sha256('\x00'::BLOB || nonce || encode(net(text) || net(language) || net(kind) || net(listed)))) AS leaf
FROM (SELECT *, unhex(substr(place, 17, 32)) AS nonce FROM placed)
