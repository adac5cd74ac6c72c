-- What officers of a small area ask of queues that hold the whole province. What is replaced goes last: it takes the
-- tables away from readers too.

-- Whose documents wait: told by the index alone, so that the people of an area are sought among all who wait.
CREATE INDEX document_waiting ON document (state, submitted_at, document_id) INCLUDE (vendor_id, kind)
    WHERE state IN ('submitted', 'returned');

-- Who withdrew the consent to news as the last word: few of all who ever gave it.
CREATE INDEX consent_withdrawn ON consent (vendor_id) WHERE purpose = 'messages' AND NOT given;
CREATE INDEX consent_to_messages ON consent (vendor_id, at, consent_id) INCLUDE (given) WHERE purpose = 'messages';

-- Whose registration leads to whose, told by the index alone.
CREATE INDEX vendor_above ON vendor (vendor_id) INCLUDE (merged_into) WHERE merged_into IS NOT NULL;

DROP INDEX document_queue;
DROP INDEX vendor_retired;
