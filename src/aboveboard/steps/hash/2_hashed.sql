-- Where each row will stand, its nonce, and its leaf: SHA-256 over 0x00, the nonce and the canonical bytes. Where there is a
-- compiled kernel, `hash_compiled` makes the same.
SELECT
  * EXCLUDE (canonical, hashed),
  unhex(substr(hashed, 1, 16)) AS place,
  unhex(sha256('\x00'::BLOB || nonce || encode(canonical))) AS leaf
FROM (
  SELECT *, unhex(substr(hashed, 17, 32)) AS nonce
  FROM (
    SELECT *, sha256(getvariable('order_key') || net(source) || net(record_id) || canonical) AS hashed FROM canonical
  )
)
