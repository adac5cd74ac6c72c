-- Certificates and their revocation, the keys that sign their credentials, and the names that are printed on them.

-- What a vendor is called, as the registry's contact cards say it; sealed. Nothing else of a card is kept.
CREATE TABLE vendor_name (
    vendor_id uuid PRIMARY KEY,
    name_sealed bytea NOT NULL
);

-- The last number of each year. Its row is locked until the certificate that takes the next one is committed, so that
-- numbers have no gaps and no doubles.
CREATE TABLE certificate_year (
    year int PRIMARY KEY,
    last int NOT NULL CHECK (last > 0)
);

-- Status lists (W3C Bitstring Status List), each filled to one half: entries are given out at random.
CREATE TABLE status_list (
    list int PRIMARY KEY,
    taken int NOT NULL CHECK (taken >= 0)
);

CREATE TABLE certificate (
    certificate_id uuid PRIMARY KEY,
    vendor_id uuid NOT NULL,
    class_id uuid NOT NULL REFERENCES training_class (class_id),
    -- 1, 2, 3 ... of this vendor and class: the last one tells what stands
    issue int NOT NULL CHECK (issue > 0),
    number text COLLATE "C" NOT NULL UNIQUE,
    -- the face, as it was on the day of issue; whatever becomes of course and class, the paper says this
    course text NOT NULL,
    title text NOT NULL,
    course_name_id text NOT NULL,
    course_name_en text NOT NULL,
    level text CHECK (level IN ('basic', 'advanced')),
    days date[] NOT NULL CHECK (cardinality(days) > 0),
    sessions_attended int NOT NULL,
    sessions_held int NOT NULL,
    completed_on date NOT NULL,
    issued_on date NOT NULL,
    issuer text NOT NULL,
    provider text,
    -- {"name", "salt"}, sealed; gone once the person is erased
    holder_sealed bytea,
    face_sha256 bytea NOT NULL,
    -- what the secret of the holder's link is made from; another one ends the links given out before
    link_id uuid NOT NULL,
    status_list int NOT NULL REFERENCES status_list (list),
    status_index int NOT NULL CHECK (status_index >= 0),
    issued_at timestamptz NOT NULL,
    revoked_at timestamptz,
    revoked_because text CHECK (
        revoked_because IN ('completion-corrected', 'issued-in-error', 'fraud', 'replaced')),
    revoked_by text,
    erased_at timestamptz,
    UNIQUE (vendor_id, class_id, issue),
    UNIQUE (status_list, status_index),
    CHECK ((revoked_at IS NULL) = (revoked_because IS NULL)),
    CHECK ((erased_at IS NULL) = (holder_sealed IS NOT NULL))
);
CREATE UNIQUE INDEX certificate_standing ON certificate (vendor_id, class_id) WHERE revoked_at IS NULL;
CREATE INDEX certificate_class ON certificate (class_id, certificate_id);
CREATE INDEX certificate_revoked ON certificate (status_list, status_index) WHERE revoked_at IS NOT NULL;

-- Keys that sign credentials. Private halves are sealed; public ones stay for ever.
CREATE TABLE credential_key (
    id uuid PRIMARY KEY,
    key_id text NOT NULL UNIQUE,
    public bytea NOT NULL,
    sealed bytea NOT NULL,
    made_at timestamptz NOT NULL
);

-- Who completed a class before there were certificates gets one too.
INSERT INTO timer (kind, key, due_at)
SELECT 'certificates-settle', class_id::text, coalesce(finished_at, opened_at)
FROM training_class WHERE state = 'finished';
