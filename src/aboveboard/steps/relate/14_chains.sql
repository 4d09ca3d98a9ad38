-- Every edit with the versions that it goes back to: the first one, and the one that it names.
SELECT r.source, r.ordinal, r.record_id, r.subject, t.root AS chain FROM rows AS r JOIN roots AS t USING (source, ordinal)
UNION
SELECT source, ordinal, record_id, subject, revision_of FROM rows WHERE revision_of IS NOT NULL AND revision_of <> record_id
