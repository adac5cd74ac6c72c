-- Which key made the blind indexes of NIK: a service with another one would find nobody and register everybody twice.
-- `held`: the keys of the service that started last; what a rotation seals, a running service must be able to open.
CREATE TABLE index_key (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    fingerprint bytea NOT NULL,
    held bytea[] NOT NULL
);

-- An account registers itself once: else one token could take the NIK of any number of people, and learn which are taken.
-- The account is a keyed hash of the token's subject.
CREATE TABLE newcomer (
    subject_index bytea PRIMARY KEY,
    vendor_id uuid NOT NULL UNIQUE REFERENCES vendor (vendor_id)
);
