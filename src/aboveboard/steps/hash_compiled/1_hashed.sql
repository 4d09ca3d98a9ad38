-- Where each row will stand, its nonce, and its leaf, by the compiled kernel: `writing.row_hashes` says what is hashed, and the
-- room `hash` says the same in SQL.
SELECT * EXCLUDE (made), made.place, made.nonce, made.leaf
FROM (SELECT *, row_hashes(source, record_id, text, language, kind, parts) AS made FROM placed)
