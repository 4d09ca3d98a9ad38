-- Each released record with the commitment to its descriptor.
SELECT
  ordinal, subject, leaf, shared,
  unhex(sha256('aboveboard/record/v1\x00'::BLOB || salt || document)) AS com
FROM described
