-- Released rows with the identifiers taken out of their text and of the text of their parts.
SELECT
  r.* EXCLUDE (text, parts),
  CASE WHEN t.ordinal IS NOT NULL THEN t.text ELSE r.text END AS text,
  CASE WHEN p.ordinal IS NOT NULL THEN p.parts ELSE r.parts END AS parts
FROM released AS r
LEFT JOIN scrubbed_texts AS t USING (ordinal)
LEFT JOIN scrubbed_parts AS p USING (ordinal)
