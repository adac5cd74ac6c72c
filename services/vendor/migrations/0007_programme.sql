-- The programme's services P2..P7, who coaches, affiliations, partners, the register of issues, export and invitations.

CREATE EXTENSION IF NOT EXISTS btree_gist;  -- trusted: uuid and text inside exclusion constraints

-- Enrolments: one row per change, never changed but for what an erasure strips; the standing is the row with the highest
-- nth. P1 has no rows: registration itself completes it.
CREATE TABLE enrolment_step (
    vendor_id uuid NOT NULL REFERENCES vendor (vendor_id),
    service text NOT NULL CHECK (service IN ('P2', 'P3', 'P4', 'P5', 'P6', 'P7')),
    nth int NOT NULL CHECK (nth >= 1),
    state text NOT NULL CHECK (state IN ('asked', 'active', 'completed', 'left')),
    previous_state text,
    at timestamptz NOT NULL,
    by text NOT NULL,
    reason text,                       -- free text; may name a person, so it stays here
    PRIMARY KEY (vendor_id, service, nth)
);

-- What training's events say: where each vendor stands in each class, and in each referral to a bank (P7).
CREATE TABLE training_place (
    vendor_id uuid NOT NULL REFERENCES vendor (vendor_id),
    class_id uuid NOT NULL,
    course text NOT NULL,
    state text NOT NULL CHECK (state IN ('enrolled', 'completed', 'not-completed')),
    completed_on date,
    PRIMARY KEY (vendor_id, class_id),
    CHECK ((state = 'completed') = (completed_on IS NOT NULL))
);
CREATE TABLE capital_referral (
    vendor_id uuid NOT NULL REFERENCES vendor (vendor_id),
    referral_id uuid NOT NULL,
    bank text NOT NULL,
    state text NOT NULL CHECK (state IN ('sent', 'received', 'approved', 'declined', 'withdrawn')),
    moved_at timestamptz NOT NULL,
    PRIMARY KEY (vendor_id, referral_id)
);

-- Who coached before: the moments at which the agency changed. A span ends where the next begins, so that gaps and
-- overlaps cannot be written down; the first begins with the registration and needs no row. Without an agency it is a
-- span in which nobody coaches: coaching ended. Each row hands over from what the one before it gave, be it nobody (the
-- foreign key, over columns that are never null), and the last names what stands on the vendor's own row.
CREATE TABLE coaching_transfer (
    vendor_id uuid NOT NULL REFERENCES vendor (vendor_id),
    nth int NOT NULL CHECK (nth >= 1),
    before_nth int GENERATED ALWAYS AS (nullif(nth - 1, 0)) STORED,
    previous_agency text CHECK (previous_agency <> ''),
    agency text CHECK (agency <> ''),
    from_whom text NOT NULL GENERATED ALWAYS AS (coalesce(previous_agency, '')) STORED,
    to_whom text NOT NULL GENERATED ALWAYS AS (coalesce(agency, '')) STORED,
    at timestamptz NOT NULL,
    by text,
    PRIMARY KEY (vendor_id, nth),
    UNIQUE (vendor_id, nth, to_whom),
    CHECK (from_whom <> to_whom),
    FOREIGN KEY (vendor_id, before_nth, from_whom) REFERENCES coaching_transfer (vendor_id, nth, to_whom)
);

-- Organisations a vendor may belong to, as data. Months and fee: a membership that runs out.
CREATE TABLE organisation (
    code text PRIMARY KEY,
    name text NOT NULL,
    of_area boolean NOT NULL,                                     -- organised by area, down to the RW
    months int CHECK (months BETWEEN 1 AND 120),
    fee_rupiah bigint CHECK (fee_rupiah > 0),
    CHECK ((months IS NULL) = (fee_rupiah IS NULL))
);
INSERT INTO organisation (code, name, of_area, months, fee_rupiah) VALUES
    ('pkk', 'Pemberdayaan dan Kesejahteraan Keluarga (UP2K-PKK)', true, NULL, NULL),
    ('kadin', 'Kadin: anggota tercatat UMKM', false, 12, 120000);

CREATE TABLE affiliation (
    affiliation_id uuid PRIMARY KEY,
    vendor_id uuid NOT NULL REFERENCES vendor (vendor_id),
    organisation text NOT NULL REFERENCES organisation (code),
    area text COLLATE "C",
    rw text,
    state text NOT NULL CHECK (state IN ('active', 'lapsed', 'ended')),
    started_on date NOT NULL,
    expires_on date,
    ended_on date,
    told_days int,                                                -- the reminder that was told last, if any
    entered_by text NOT NULL
);
-- one that lapsed is renewed, not begun a second time
CREATE UNIQUE INDEX affiliation_once ON affiliation (vendor_id, organisation, coalesce(area, ''), coalesce(rw, ''))
    WHERE state <> 'ended';
CREATE INDEX affiliation_of_vendor ON affiliation (vendor_id);

-- Payments as an officer noted them; no money passes here.
CREATE TABLE affiliation_payment (
    affiliation_id uuid NOT NULL REFERENCES affiliation (affiliation_id),
    reference text NOT NULL,
    paid_on date NOT NULL,
    amount_rupiah bigint NOT NULL CHECK (amount_rupiah > 0),
    expires_on date NOT NULL,                                     -- until when it pays
    noted_by text NOT NULL,
    noted_at timestamptz NOT NULL,
    PRIMARY KEY (affiliation_id, reference)
);

-- Partners and their agreements (DOMAIN B1). `version` counts a partner's events.
CREATE TABLE partner (
    partner_id uuid PRIMARY KEY,
    version bigint NOT NULL DEFAULT 0,
    code text NOT NULL CONSTRAINT partner_code_once UNIQUE,
    name text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('chamber', 'bank', 'university', 'marketplace', 'agency', 'other')),
    entered_by text NOT NULL,
    entered_at timestamptz NOT NULL
);
CREATE TABLE partner_agreement (
    agreement_id uuid PRIMARY KEY,
    partner_id uuid NOT NULL REFERENCES partner (partner_id),
    area text COLLATE "C" NOT NULL,
    valid_from date NOT NULL,
    valid_until date NOT NULL,
    topics text[] NOT NULL,
    ended_on date,
    lapsed boolean,
    days daterange NOT NULL,                                      -- on which it holds; ended early, they are fewer
    made_by text NOT NULL,
    made_at timestamptz NOT NULL,
    CHECK (valid_from <= valid_until),
    CHECK ((ended_on IS NULL) = (lapsed IS NULL)),
    CONSTRAINT partner_agreement_once EXCLUDE USING gist (partner_id WITH =, area WITH =, days WITH &&)
);
CREATE INDEX partner_agreement_of_partner ON partner_agreement (partner_id);

-- The register of issues (DOMAIN B2). `version` counts an issue's events.
CREATE TABLE issue_category (
    code text PRIMARY KEY,
    name_id text NOT NULL,
    name_en text NOT NULL
);
INSERT INTO issue_category (code, name_id, name_en) VALUES
    ('capital', 'Permodalan', 'Capital'),
    ('equipment', 'Peralatan', 'Equipment'),
    ('licensing', 'Perizinan', 'Licensing'),
    ('marketing', 'Pemasaran', 'Marketing'),
    ('materials', 'Bahan baku', 'Raw materials'),
    ('other', 'Lainnya', 'Other'),
    ('place', 'Tempat usaha', 'Place of business'),
    ('skills', 'Keterampilan', 'Skills');

CREATE TABLE issue (
    issue_id uuid PRIMARY KEY,
    version bigint NOT NULL,
    category text NOT NULL REFERENCES issue_category (code),
    text text NOT NULL,                                           -- may name a person, so it stays here
    area text COLLATE "C" NOT NULL,
    state text NOT NULL CHECK (state IN ('open', 'assigned', 'closed')),
    owner text REFERENCES agency (code),
    outcome text CHECK (outcome IN ('solved', 'declined', 'duplicate')),
    raised_on date NOT NULL,
    raised_by_vendor uuid REFERENCES vendor (vendor_id),          -- null: an officer entered it
    closed_on date,
    CHECK ((state = 'closed') = (closed_on IS NOT NULL AND outcome IS NOT NULL)),
    CHECK (state <> 'assigned' OR owner IS NOT NULL)
);
CREATE INDEX issue_by_area ON issue (area, issue_id);
CREATE INDEX issue_raised_by ON issue (raised_by_vendor) WHERE raised_by_vendor IS NOT NULL;

CREATE TABLE issue_vendor (
    issue_id uuid NOT NULL REFERENCES issue (issue_id),
    vendor_id uuid NOT NULL REFERENCES vendor (vendor_id),
    PRIMARY KEY (issue_id, vendor_id)
);
CREATE INDEX issue_of_vendor ON issue_vendor (vendor_id);

CREATE TABLE issue_step (
    issue_id uuid NOT NULL REFERENCES issue (issue_id),
    nth bigint NOT NULL,                                          -- the issue's version after it
    state text NOT NULL CHECK (state IN ('open', 'assigned', 'closed')),
    owner text,
    outcome text,
    note text,
    at timestamptz NOT NULL,
    by text NOT NULL,
    PRIMARY KEY (issue_id, nth)
);

-- Export (DOMAIN B7): assessments, of which the last one counts, and referrals to partners.
CREATE TABLE export_criterion (
    code text PRIMARY KEY,
    name_id text NOT NULL,
    name_en text NOT NULL
);
INSERT INTO export_criterion (code, name_id, name_en) VALUES
    ('capacity', 'Kapasitas produksi memadai', 'Enough production capacity'),
    ('licences', 'Izin usaha dan produk lengkap', 'Licences of business and product complete'),
    ('packaging', 'Kemasan dan label sesuai', 'Packaging and labels fit'),
    ('price', 'Harga ekspor dihitung', 'Export price worked out'),
    ('standard', 'Memenuhi standar negara tujuan', 'Meets the standards of the country of destination');

CREATE TABLE export_assessment (
    assessment_id uuid PRIMARY KEY,
    vendor_id uuid NOT NULL REFERENCES vendor (vendor_id),
    ready boolean NOT NULL,
    criteria_met text[] NOT NULL,
    note text,
    assessed_on date NOT NULL,
    at timestamptz NOT NULL,
    by text NOT NULL
);
CREATE INDEX export_assessment_of_vendor ON export_assessment (vendor_id, at);

CREATE TABLE export_referral (
    referral_id uuid PRIMARY KEY,
    vendor_id uuid NOT NULL REFERENCES vendor (vendor_id),
    partner_id uuid NOT NULL REFERENCES partner (partner_id),
    agreement_id uuid NOT NULL REFERENCES partner_agreement (agreement_id),
    referred_on date NOT NULL,
    by text NOT NULL,
    CONSTRAINT export_referral_once UNIQUE (vendor_id, agreement_id)
);

-- Exhibitions, festivals and like events that are not our own bazaars, and who was invited (DOMAIN B7).
CREATE TABLE exhibition (
    exhibition_id uuid PRIMARY KEY,
    title text NOT NULL,
    place text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('exhibition', 'festival', 'forum', 'other')),
    area text COLLATE "C" NOT NULL,
    days date[] NOT NULL,
    answer_by date NOT NULL,
    partners uuid[] NOT NULL,
    entered_by text NOT NULL,
    entered_at timestamptz NOT NULL
);
CREATE INDEX exhibition_by_area ON exhibition (area, exhibition_id);

CREATE TABLE invitation (
    invitation_id uuid PRIMARY KEY,
    exhibition_id uuid NOT NULL REFERENCES exhibition (exhibition_id),
    vendor_id uuid NOT NULL REFERENCES vendor (vendor_id),
    invited_on date NOT NULL,
    invited_by text NOT NULL,
    accepted boolean,
    answered_at timestamptz,
    CONSTRAINT invitation_once UNIQUE (exhibition_id, vendor_id),
    CHECK ((accepted IS NULL) = (answered_at IS NULL))
);
CREATE INDEX invitation_of_vendor ON invitation (vendor_id);
