-- The records whose judgement needs another record, in slices of neighbours: what is known of one slice fits into memory,
-- however many slices there are. All others stand for themselves.
SELECT source, ordinal, (row_number() OVER (ORDER BY source, ordinal) - 1) // {{slice_rows}} AS slice
FROM (
  SELECT source, ordinal FROM repeats
  UNION SELECT source, ordinal FROM editions
  UNION SELECT source, ordinal FROM inherited
  UNION SELECT source, ordinal FROM copies
  UNION SELECT source, ordinal FROM told
  UNION SELECT source, ordinal FROM rows WHERE kind = 'derived'
)
