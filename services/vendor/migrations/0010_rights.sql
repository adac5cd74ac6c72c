-- Rights of the person (UU PDP, Law 27/2022): corrections with their history, consents, erasure and its receipts.

-- One wish to correct a registration: done at once, or waiting for an officer, or decided. What stood there before and
-- what was asked for stand sealed (JSON of field -> [before, after], bound to the row's id).
CREATE TABLE correction (
    correction_id uuid PRIMARY KEY,
    vendor_id uuid NOT NULL REFERENCES vendor (vendor_id),
    fields text[] NOT NULL CHECK (cardinality(fields) > 0),
    values_sealed bytea NOT NULL,
    state text NOT NULL CHECK (state IN ('waiting', 'done', 'refused', 'replaced')),
    asked_by text NOT NULL,
    origin text NOT NULL CHECK (origin IN ('self', 'officer')),
    asked_at timestamptz NOT NULL,
    decided_by text,
    decided_at timestamptz,
    note text,
    CHECK ((state = 'waiting') = (decided_at IS NULL)),
    CHECK (state <> 'refused' OR note IS NOT NULL)
);
CREATE INDEX correction_of_vendor ON correction (vendor_id, correction_id);
-- a person has one wish that waits: a newer one replaces it
CREATE UNIQUE INDEX correction_waiting ON correction (vendor_id) WHERE state = 'waiting';
CREATE INDEX correction_queue ON correction (correction_id) WHERE state = 'waiting';

-- What a person is asked, word for word. A text is never changed: a new one is a new version.
CREATE TABLE consent_text (
    purpose text NOT NULL CHECK (purpose IN ('messages', 'capital-referral', 'partners', 'publicity')),
    version int NOT NULL CHECK (version >= 1),
    text_id text NOT NULL,
    text_en text NOT NULL,
    PRIMARY KEY (purpose, version)
);
INSERT INTO consent_text (purpose, version, text_id, text_en) VALUES
    ('messages', 1,
     'Saya bersedia menerima kabar program lewat pesan: kelas, bazar dan acara yang mungkin cocok untuk saya. '
     'Pemberitahuan tentang urusan saya sendiri tetap dikirim tanpa persetujuan ini.',
     'I agree to receive news of the programme by message: classes, bazaars and events that may suit me. '
     'Notices about my own matters are sent without this consent too.'),
    ('capital-referral', 1,
     'Saya setuju data usaha saya diteruskan ke bank mitra untuk pengajuan modal. Bank yang memutuskan, bukan dinas.',
     'I agree that the facts of my business are handed to a partner bank for a request for capital. '
     'The bank decides, not the agency.'),
    ('partners', 1,
     'Saya setuju nama dan nomor kontak saya diberikan kepada organisasi mitra program untuk pendampingan dan pemasaran.',
     'I agree that my name and contact are given to partner organisations of the programme for mentoring and marketing.'),
    ('publicity', 1,
     'Saya setuju nama dan foto usaha saya ditampilkan kepada umum, misalnya di halaman bazar.',
     'I agree that my name and photos of my business are shown in public, for example on the page of a bazaar.');

-- Every time a consent was given or withdrawn; the last row of a purpose holds.
CREATE TABLE consent (
    consent_id uuid PRIMARY KEY,
    vendor_id uuid NOT NULL REFERENCES vendor (vendor_id),
    purpose text NOT NULL,
    given boolean NOT NULL,
    text_version int NOT NULL,
    source text NOT NULL CHECK (source IN ('self', 'officer')),
    actor text NOT NULL,
    evidence text,
    at timestamptz NOT NULL,
    FOREIGN KEY (purpose, text_version) REFERENCES consent_text (purpose, version),
    CHECK (source = 'self' OR evidence IS NOT NULL)
);
CREATE INDEX consent_of_vendor ON consent (vendor_id, consent_id);

-- One erasure is one registration; a person of several (merged) has one for each, led by that of the registration that
-- stood for the person (`leads`). No personal data: ids, kinds of record, counts and moments, kept as proof.
CREATE TABLE erasure (
    erasure_id uuid PRIMARY KEY,
    leads uuid NOT NULL REFERENCES erasure (erasure_id),
    vendor_id uuid NOT NULL UNIQUE REFERENCES vendor (vendor_id),
    origin text NOT NULL CHECK (origin IN ('self', 'registrar')),
    reason text NOT NULL,
    erased_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    card_version bigint NOT NULL,       -- of the tombstone on lapak.vendor.contact.v1
    published_at timestamptz,           -- when the tombstone was seen to have left the outbox
    repeated_at timestamptz,            -- when a second one was written, to close the segment that holds the first
    sealed_at timestamptz,              -- when that had left too
    commands_deleted_at timestamptz,    -- when the consumed commands left lapak.vendor.commands.v1
    completed_at timestamptz,
    receipt text,                       -- canonical JSON, as hashed
    receipt_sha256 text,
    CHECK ((completed_at IS NULL) = (receipt IS NULL) AND (receipt IS NULL) = (receipt_sha256 IS NULL))
);
CREATE INDEX erasure_family ON erasure (leads);
CREATE INDEX erasure_open ON erasure (erasure_id) WHERE completed_at IS NULL;

-- What each service erased and what it keeps without the person: kind of record -> how many.
CREATE TABLE erasure_receipt (
    erasure_id uuid NOT NULL REFERENCES erasure (erasure_id),
    service text NOT NULL CHECK (service IN ('vendor', 'training', 'bazaar', 'notify')),
    erased jsonb NOT NULL,
    kept jsonb NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (erasure_id, service)
);
