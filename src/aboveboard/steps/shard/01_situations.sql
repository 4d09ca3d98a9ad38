-- Every record once: what it is as a whole (`situation`) and its main part (`words`) as numbers, whose it is, and when.
-- Nothing is judged yet, and no text is carried on.
SELECT
  ordinal, source, record_id, subject, collected, categories, labels, signals, parties, parts,
  -- A time of creation after collection, or after now, is a clock that cannot be right: it says nothing.
  CASE WHEN created_at <= getvariable('as_of') AND (collected IS NULL OR created_at <= collected) THEN created_at END
    AS made_at,
  {{situation}} AS situation,
  {{words}} AS words,
  CASE WHEN len(parts) > 0 THEN length(text) END AS text_length,
  says(text) AS something_said
FROM (
  SELECT
    r.*, CASE WHEN collected_at <= getvariable('as_of') THEN collected_at END AS collected, 0 AS part,
    'main' AS part_kind, {{by_name}}
  FROM records AS r {{by_name_joins}}
)
