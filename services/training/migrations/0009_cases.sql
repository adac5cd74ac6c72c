-- Help (P4 to P7) as cases, and referrals to banks.

-- What can be helped with, as data: how many days it may take, and who works on it where nobody coaches the vendor.
CREATE TABLE help_service (
    service text PRIMARY KEY CHECK (service IN ('P4', 'P5', 'P6', 'P7')),
    name_id text NOT NULL,
    name_en text NOT NULL,
    days int NOT NULL CHECK (days BETWEEN 1 AND 365),
    owner text NOT NULL
);
INSERT INTO help_service (service, name_id, name_en, days, owner) VALUES
    ('P4', 'Perizinan', 'Licensing', 30, 'ppkukm'),
    ('P5', 'Pemasaran', 'Sales', 45, 'ppkukm'),
    ('P6', 'Laporan keuangan', 'Financial reports', 30, 'ppkukm'),
    ('P7', 'Permodalan', 'Capital', 21, 'ppkukm');

-- What a vendor may be asked to bring.
CREATE TABLE wanted_item (
    code text COLLATE "C" PRIMARY KEY,
    name_id text NOT NULL,
    name_en text NOT NULL
);
INSERT INTO wanted_item (code, name_id, name_en) VALUES
    ('bank-statement', 'Rekening koran tiga bulan terakhir', 'Bank statements of the last three months'),
    ('business-photo', 'Foto tempat usaha', 'Photo of the place of business'),
    ('family-card-copy', 'Fotokopi kartu keluarga', 'Copy of the family card'),
    ('ktp-copy', 'Fotokopi KTP', 'Copy of the identity card'),
    ('lease-letter', 'Surat sewa atau izin pakai tempat', 'Lease, or leave to use the place'),
    ('nib-copy', 'Fotokopi NIB', 'Copy of the business number (NIB)'),
    ('npwp-copy', 'Fotokopi NPWP', 'Copy of the tax number (NPWP)'),
    ('product-label', 'Contoh label produk', 'Sample of the product''s label'),
    ('product-sample', 'Contoh produk', 'Sample of the product'),
    ('recipe', 'Komposisi dan cara pembuatan', 'Ingredients and how it is made'),
    ('sales-notes', 'Catatan penjualan', 'Notes of sales');

CREATE TABLE help_case (
    case_id uuid PRIMARY KEY,
    vendor_id uuid NOT NULL,
    service text NOT NULL CHECK (service IN ('P4', 'P5', 'P6', 'P7')),
    state text NOT NULL CHECK (state IN ('open', 'working', 'waiting-vendor', 'closed')),
    outcome text CHECK (outcome IN ('solved', 'not-possible', 'withdrawn', 'referred')),
    owner text,
    due_on date NOT NULL,
    opened_by text NOT NULL,
    opened_at timestamptz NOT NULL,
    closed_at timestamptz,
    -- `sub` of the officer who works on it
    officer text,
    door text NOT NULL CHECK (door IN ('vendor', 'officer', 'mentor', 'registry')),
    wanted text[] NOT NULL DEFAULT '{}',
    waiting_since date,
    overdue boolean NOT NULL DEFAULT false,
    CHECK ((state = 'closed') = (outcome IS NOT NULL)),
    CHECK ((state = 'closed') = (closed_at IS NOT NULL)),
    CHECK ((state = 'waiting-vendor') = (waiting_since IS NOT NULL)),
    CHECK (state = 'waiting-vendor' OR wanted = '{}')
);
CREATE INDEX help_case_vendor ON help_case (vendor_id, opened_at);
-- of a person with several ids the handler sees to it, with all of their records locked
CREATE UNIQUE INDEX help_case_once ON help_case (vendor_id, service) WHERE state <> 'closed';
CREATE INDEX help_case_due ON help_case (due_on, case_id) WHERE state <> 'closed';
CREATE INDEX help_case_closed ON help_case (due_on, case_id) WHERE state = 'closed';

-- What was done about a case, by whom and when. What people wrote is sealed.
CREATE TABLE case_act (
    act_id uuid PRIMARY KEY,
    case_id uuid NOT NULL REFERENCES help_case (case_id),
    nth int NOT NULL,
    act text NOT NULL,
    side text NOT NULL CHECK (side IN ('vendor', 'officer', 'mentor', 'registry', 'time')),
    by text NOT NULL,
    at timestamptz NOT NULL,
    state text NOT NULL,
    owner text,
    due_on date NOT NULL,
    wanted text[] NOT NULL DEFAULT '{}',
    outcome text,
    note_sealed bytea,
    UNIQUE (case_id, nth)
);

-- Copy of the registry: its last word on each vendor's standing in each service. `step` counts the changes of one.
CREATE TABLE programme_enrolment (
    vendor_id uuid NOT NULL,
    service text NOT NULL,
    state text NOT NULL CHECK (state IN ('asked', 'active', 'completed', 'left')),
    step int,
    followed boolean NOT NULL,
    changed_at timestamptz NOT NULL,
    registry_version bigint NOT NULL,
    PRIMARY KEY (vendor_id, service)
);
CREATE INDEX programme_enrolment_service ON programme_enrolment (service, state);

-- Copies of the registry for referrals: whether facts may be handed to a bank, and documents found good.
CREATE TABLE capital_consent (
    vendor_id uuid PRIMARY KEY,
    given boolean NOT NULL,
    said_at timestamptz NOT NULL,
    registry_version bigint NOT NULL
);
CREATE TABLE vendor_document (
    vendor_id uuid NOT NULL,
    document_id uuid NOT NULL,
    kind text NOT NULL,
    verified boolean NOT NULL,
    expires_on date,
    registry_version bigint NOT NULL,
    PRIMARY KEY (vendor_id, document_id)
);
-- null: registered before this service kept it
ALTER TABLE vendor
    ADD COLUMN kind text,
    ADD COLUMN registered_on date;


-- A referral of a vendor to a bank. `packet`: the very bytes that were shown to the vendor and are sent.
CREATE TABLE capital_referral (
    referral_id uuid PRIMARY KEY,
    vendor_id uuid NOT NULL,
    bank text NOT NULL,
    state text NOT NULL CHECK (state IN ('prepared', 'sent', 'received', 'approved', 'declined', 'withdrawn')),
    packet bytea NOT NULL,
    packet_sha256 text NOT NULL,
    answer_by date NOT NULL,
    prepared_by text NOT NULL,
    prepared_at timestamptz NOT NULL,
    -- how the vendor saw the packet
    shown text CHECK (shown IN ('itself', 'at-counter', 'on-paper', 'by-phone')),
    sent_by text,
    sent_at timestamptz,
    withdrawn_at timestamptz,
    withdrawn_because text CHECK (withdrawn_because IN ('vendor', 'officer', 'consent')),
    CHECK ((sent_at IS NULL) = (shown IS NULL)),
    CHECK (sent_at IS NOT NULL OR state IN ('prepared', 'withdrawn')),
    CHECK ((state = 'withdrawn') = (withdrawn_at IS NOT NULL))
);
CREATE INDEX capital_referral_vendor ON capital_referral (vendor_id, prepared_at);
-- the same of a person with several ids is seen to by the handler
CREATE UNIQUE INDEX capital_referral_once ON capital_referral (vendor_id, bank)
    WHERE state IN ('prepared', 'sent', 'received');
CREATE INDEX capital_referral_due ON capital_referral (answer_by, referral_id) WHERE state IN ('sent', 'received');

-- Every answer a bank gave, each once however often it came, whether it counts or not.
CREATE TABLE capital_answer (
    referral_id uuid NOT NULL REFERENCES capital_referral (referral_id),
    answer text NOT NULL CHECK (answer IN ('received', 'approved', 'declined')),
    answered_at timestamptz NOT NULL,
    taken_at timestamptz NOT NULL,
    side text NOT NULL CHECK (side IN ('bank', 'officer')),
    entered_by text NOT NULL,
    after_withdrawal boolean NOT NULL,
    PRIMARY KEY (referral_id, answer, answered_at)
);
