-- People: which ids are one person, who is erased, who looked at a person's messages. Keyed by the vendor's id, so that
-- each may come before the vendor's registration or card does.

-- Where a vendor lives: which registrar may see its messages in full.
CREATE TABLE vendor (
    vendor_id uuid PRIMARY KEY,
    kelurahan text NOT NULL
);

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

-- Contacts that went by the tombstone of their card before the erasure itself came: its receipt counts them.
CREATE TABLE forgotten_contact (
    vendor_id uuid PRIMARY KEY
);

-- Who was shown a person's contact and messages in full, other than the person.
CREATE TABLE disclosure (
    disclosure_id uuid PRIMARY KEY,
    vendor_id uuid NOT NULL,
    actor text NOT NULL,
    reason text NOT NULL,
    at timestamptz NOT NULL
);
CREATE INDEX disclosure_of_vendor ON disclosure (vendor_id, disclosure_id);
