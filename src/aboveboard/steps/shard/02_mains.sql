-- Every record once: what it is as a whole (`situation`) and its main part (`words`) as numbers, whose it is, and when.
-- Nothing is judged yet. Only a text that may lose a part is carried on: reading all texts once more would cost more.
SELECT
  ordinal, source, record_id, subject, kind, source_state, collected_at, collected, categories, others, composed,
  -- A time of creation after collection, or after now, is a clock that cannot be right: it says nothing.
  CASE WHEN created_at <= getvariable('as_of') AND (collected IS NULL OR created_at <= collected) THEN created_at END
    AS made_at,
  {{situation}} AS situation,
  {{words}} AS words,
  CASE WHEN others > 0 THEN r.text END AS text,
  says(r.text) AS something_said,
  -- No other part can leave it, and there is something to read.
  something_said AND coalesce(others = 0, TRUE) AS plain
FROM (
  SELECT
    r.*, CASE WHEN collected_at <= getvariable('as_of') THEN collected_at END AS collected, 0 AS part,
    'main' AS part_kind, c.others, c.ordinal IS NOT NULL AS composed, c.ordinal IS NULL OR c.others IS NOT NULL AS parts_known,
    {{by_name}}
  FROM records AS r LEFT JOIN composites AS c USING (ordinal) {{by_name_joins}}
) AS r
