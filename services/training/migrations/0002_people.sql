-- People: which ids are one person, and who is erased. Keyed by the vendor's id, so that each may come before the
-- vendor's registration does.

-- Each registration that was merged into another, as the registry says it.
CREATE TABLE merge (
    vendor_id uuid PRIMARY KEY,
    into_id uuid NOT NULL
);
CREATE INDEX merge_into ON merge (into_id);

-- What follows from it: the ids of a person, for those who have more than one. An id that is not here is a person of its
-- own.
CREATE TABLE family (
    vendor_id uuid PRIMARY KEY,
    person_id uuid NOT NULL
);
CREATE INDEX family_of_person ON family (person_id);

-- Ids that lead to nobody any more: whatever comes later of such an id must not bring the person back.
CREATE TABLE erased_vendor (
    vendor_id uuid PRIMARY KEY,
    erasure_id uuid NOT NULL,
    erased_at timestamptz NOT NULL
);

-- The record of an erased person stays as a figure of its classes, while the copy of the registry goes.
ALTER TABLE trainee
    DROP CONSTRAINT trainee_vendor_id_fkey,
    ADD COLUMN erased_at timestamptz;

-- Of an erased person: how many sessions it attended. Which days these were is gone.
ALTER TABLE enrolment
    ADD COLUMN sessions_attended int;
