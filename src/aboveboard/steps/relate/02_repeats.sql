-- Rows that share a record id and a revision: the first is kept where all say the same, none where they do not.
WITH repeated AS (
  SELECT record_id, revision FROM rows GROUP BY ALL HAVING count(*) > 1
),
told AS (
  SELECT s.source, s.ordinal, s.record_id, s.revision, sha256(struct_pack(
    s.kind, s.subject, s.language, s.created_at, s.collected_at, s.origin, s.licence, s.upstream, s.lifecycle, s.text,
    s.integrity, s.categories, s.labels, s.audience_at, s.audience_now, s.parties, s.signals, s.parts, s.revision_of,
    s.parent_id, s.quoted_id, s.derived_from, s.content_sha256)::VARCHAR) AS content
  FROM staged AS s
  SEMI JOIN repeated AS r ON r.record_id = s.record_id AND r.revision IS NOT DISTINCT FROM s.revision
)
SELECT
  source, ordinal,
  CASE WHEN min(content) OVER same <> max(content) OVER same THEN 'conflict'
       WHEN row_number() OVER (PARTITION BY record_id, revision ORDER BY source, ordinal) = 1 THEN 'first'
       ELSE 'repeat' END AS duplicate
FROM told
WINDOW same AS (PARTITION BY record_id, revision)
