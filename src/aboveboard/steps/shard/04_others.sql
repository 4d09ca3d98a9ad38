-- Everybody else who may say no in a part; an exporter may not, an unknown role may.
SELECT ordinal, part, party.subject AS subject, categories, collected, made_at
FROM (SELECT ordinal, part, categories, collected, made_at, unnest(parties) AS party FROM units WHERE len(parties) > 0)
WHERE party.role IS DISTINCT FROM 'exporter'
