-- Everybody else who may say no in a part; an exporter may not, an unknown role may. Of some it is in doubt whether
-- they have a part in it at all.
SELECT
  ordinal, part, party.subject AS subject, coalesce(party.role IN {{in_doubt}}, FALSE) AS doubtful, categories, collected,
  made_at
FROM (SELECT ordinal, part, categories, collected, made_at, unnest(parties) AS party FROM units WHERE len(parties) > 0)
WHERE party.role IS DISTINCT FROM 'exporter'
