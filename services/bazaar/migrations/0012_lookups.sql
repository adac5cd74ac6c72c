-- What is looked up among a million applications.

-- Who of an RW was offered a booth: one look for each RW of a list, and the RWs served for a count of them.
CREATE INDEX application_of_rw ON application ((groups ->> 'rw'), bazaar_id) WHERE site_id IS NOT NULL;

-- The applications of a bazaar, page by page.
CREATE INDEX application_of_bazaar ON application (bazaar_id, application_id);

-- Who was offered a booth of a bazaar: some hundreds of the tens of thousands who applied.
CREATE INDEX application_offered ON application (bazaar_id, site_id) WHERE site_id IS NOT NULL;
