-- The records that somebody else is in, whatever they chose (``explanation.has_others``). Most have nothing in their lists.
SELECT ordinal FROM situations AS r WHERE composed AND {{others}}
UNION ALL
SELECT ordinal FROM situations AS r WHERE NOT composed AND {{others_alone}}
