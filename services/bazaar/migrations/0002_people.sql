-- People: which ids are one person, who is suspended, who is erased. Tables of their own, keyed by the vendor's id, so
-- that each may come before the vendor's registration does.

-- Each registration that was merged into another, as the registry says it.
CREATE TABLE merge (
    vendor_id uuid PRIMARY KEY,
    into_id uuid NOT NULL
);
CREATE INDEX merge_into ON merge (into_id);

-- What follows from it: the ids of a person, for those who have more than one. Kept ready, because a freeze reads it for
-- tens of thousands of applicants; merges are rare. An id that is not here is a person of its own.
CREATE TABLE family (
    vendor_id uuid PRIMARY KEY,
    person_id uuid NOT NULL
);
CREATE INDEX family_of_person ON family (person_id);

CREATE TABLE suspension (
    vendor_id uuid PRIMARY KEY,
    reason text NOT NULL
);

-- Ids that lead to nobody any more: whatever comes later of such an id must not bring the person back.
CREATE TABLE erased_vendor (
    vendor_id uuid PRIMARY KEY,
    erasure_id uuid NOT NULL,
    erased_at timestamptz NOT NULL
);
