-- Each row with the finest file of its person.
SELECT s.*, h.shard FROM scrubbed AS s JOIN homes AS h USING (subject)
