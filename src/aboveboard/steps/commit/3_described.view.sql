-- Each released record's descriptor, as lines, with the salt that hides it.
SELECT
  f.*,
  unhex(sha256('aboveboard/salt/v1\x00'::BLOB || o.release_key || f.leaf)) AS salt,
  encode(concat(
    'source ', net(f.source), chr(10),
    'record ', net(f.record_id), chr(10), 'kind ', net(f.kind), chr(10),
    'row 64:', lower(hex(f.leaf)), ',', chr(10),
    'collected_under ', net(f.policy_at_collection), chr(10), 'judged_under ', net(f.policy_now), chr(10), 'clause ', net(f.clause), chr(10),
    'facts 64:', f.facts, ',', chr(10), 'person 64:', o.person, ',', chr(10),
    'created ', net(epoch_us(f.created_at)::VARCHAR), chr(10), 'collected ', net(epoch_us(f.collected_at)::VARCHAR), chr(10))
  ) AS document
FROM facts_told AS f
JOIN openers AS o USING (subject)
