-- Each released row with the SHA-256 of its canonical bytes (docs/formats/manifest.md).
SELECT
  * EXCLUDE (listed),
  unhex(sha256(net(text) || net(language) || net(kind) || net(listed))) AS row_sha256
FROM listed
