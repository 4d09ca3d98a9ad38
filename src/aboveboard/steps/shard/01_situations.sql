-- Every record once: what it is as a whole as one number, whose it is, and its times. Nothing is judged yet.
SELECT
  ordinal, source, record_id, subject, categories, labels, signals, parties, audience_at, audience_now, source_state,
  collected,
  -- A time of creation after collection, or after now, is a clock that cannot be right: it says nothing.
  CASE WHEN created_at <= getvariable('as_of') AND (collected IS NULL OR created_at <= collected) THEN created_at END
    AS made_at,
  {{situation}} AS situation,
  parts,
  CASE WHEN len(parts) > 0 THEN length(text) END AS text_length,
  -- The first letter mostly answers; only where it is no plain letter or digit the whole text is looked at.
  CASE WHEN unicode(text) BETWEEN 97 AND 122 OR unicode(text) BETWEEN 48 AND 57
         OR unicode(text) BETWEEN 65 AND 90 OR unicode(text) BETWEEN 12353 AND 65000 THEN TRUE
       WHEN NOT contains(getvariable('blank'), left(text, 1)) THEN TRUE
       ELSE coalesce(ltrim(text, getvariable('blank')) <> '', FALSE) END AS something_said
FROM (SELECT *, CASE WHEN collected_at <= getvariable('as_of') THEN collected_at END AS collected FROM records)
