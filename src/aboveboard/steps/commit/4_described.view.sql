-- What each commitment is made from: the bytes whose hash is the salt, and the descriptor's lines but for the digest of the
-- facts, which stands between `head` and `tail`.
SELECT
  f.ordinal, f.shared, f.facts,
  'aboveboard/salt/v1\x00'::BLOB || o.release_key || f.leaf AS salted,
  concat(
    'source ', f.source, chr(10), 'record ', f.record, chr(10), 'kind ', f.kind, chr(10),
    'row 64:', lower(hex(f.leaf)), ',', chr(10),
    'collected_under ', net(f.policy_at_collection), chr(10), 'judged_under ', net(f.policy_now), chr(10),
    'clause ', net(f.clause), chr(10), 'facts 64:') AS head,
  concat(
    ',', chr(10), 'person 64:', o.person, ',', chr(10),
    'created ', f.created, chr(10), 'collected ', f.collected, chr(10)) AS tail
FROM facts_told AS f
JOIN openers AS o USING (subject)
