-- Bazaars, sites, booths, applications, rounds of allocation, the ledger of turns; and what is known of vendors.

-- Projections of other services' events -----------------------------------------------------------------------------

CREATE TABLE vendor (
    vendor_id uuid PRIMARY KEY,
    kelurahan text NOT NULL,
    rw text NOT NULL,
    category text,
    agency text
);

-- A vendor is trained while it has one row; a completion may arrive before the vendor.
CREATE TABLE completion (
    vendor_id uuid NOT NULL,
    class_id uuid NOT NULL,
    PRIMARY KEY (vendor_id, class_id)
);

-- Bazaars -----------------------------------------------------------------------------------------------------------

CREATE TABLE bazaar (
    bazaar_id uuid PRIMARY KEY,
    version bigint NOT NULL,
    state text NOT NULL CHECK (state IN ('draft', 'announced', 'frozen', 'seeded', 'allocated', 'finished')),
    name text NOT NULL,
    theme text,
    organisers text[] NOT NULL,
    days date[] NOT NULL CHECK (cardinality(days) > 0),
    applications_close_at timestamptz NOT NULL,
    offer_hours int NOT NULL CHECK (offer_hours > 0),
    policy jsonb NOT NULL,
    round int NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL
);
CREATE INDEX bazaar_public ON bazaar ((days[1]) DESC, bazaar_id DESC) WHERE state <> 'draft';

CREATE TABLE site (
    bazaar_id uuid NOT NULL REFERENCES bazaar (bazaar_id),
    site_id text NOT NULL,
    position int NOT NULL,
    name text NOT NULL,
    venue_type text NOT NULL,
    kelurahan text NOT NULL,
    booths int NOT NULL CHECK (booths > 0),
    reserves jsonb NOT NULL,
    caps jsonb NOT NULL,
    PRIMARY KEY (bazaar_id, site_id)
);

-- Every stand of a site. Only the vendor kind is allocated; the others have their holder from the start.
CREATE TABLE booth (
    bazaar_id uuid NOT NULL,
    site_id text NOT NULL,
    number text NOT NULL,
    position int NOT NULL,
    kind text NOT NULL CHECK (kind IN ('vendor', 'agency', 'partner')),
    tent int,
    holder text,
    PRIMARY KEY (bazaar_id, site_id, number),
    FOREIGN KEY (bazaar_id, site_id) REFERENCES site (bazaar_id, site_id),
    CHECK ((kind = 'vendor') = (holder IS NULL))
);

-- Rounds: the files are stored as published, byte for byte, for ever ------------------------------------------------

CREATE TABLE allocation_round (
    bazaar_id uuid NOT NULL REFERENCES bazaar (bazaar_id),
    round int NOT NULL,
    applicants int NOT NULL,
    frozen bytea NOT NULL,
    frozen_sha256 text NOT NULL,
    frozen_at timestamptz NOT NULL,
    seed text,
    seed_source text,
    problem bytea,
    problem_sha256 text,
    seeded_at timestamptz,
    result bytea,
    result_sha256 text,
    served int,
    waiting int,
    published_at timestamptz,
    PRIMARY KEY (bazaar_id, round),
    CHECK ((seed IS NULL) = (problem IS NULL)),
    CHECK (result IS NULL OR problem IS NOT NULL)
);

-- Applications ------------------------------------------------------------------------------------------------------

CREATE TABLE application (
    application_id uuid PRIMARY KEY,
    bazaar_id uuid NOT NULL REFERENCES bazaar (bazaar_id),
    vendor_id uuid NOT NULL,
    version bigint NOT NULL,
    state text NOT NULL CHECK (state IN (
        'received', 'withdrawn', 'ineligible', 'queued', 'offered',
        'confirmed', 'declined', 'lapsed', 'attended', 'missed'
    )),
    choices jsonb NOT NULL,
    site_ids text[] NOT NULL,
    applied_at timestamptz NOT NULL,
    -- fixed by the freeze
    groups jsonb NOT NULL,
    ineligible_because text,
    -- the round's decision on one who waits
    place int,
    because jsonb,
    ahead jsonb,
    forecast_round int,
    -- the offer, kept when it was declined or lapsed
    site_id text,
    booth text,
    respond_by timestamptz,
    promoted boolean,
    FOREIGN KEY (bazaar_id, site_id, booth) REFERENCES booth (bazaar_id, site_id, number),
    CHECK ((site_id IS NULL) = (booth IS NULL) AND (site_id IS NULL) = (respond_by IS NULL)),
    CHECK (site_id IS NOT NULL OR state NOT IN ('offered', 'confirmed', 'declined', 'lapsed', 'attended', 'missed')),
    CHECK (place IS NOT NULL OR state <> 'queued')
);
-- a vendor applies once to a bazaar; after a withdrawal it may apply again
CREATE UNIQUE INDEX application_of_vendor ON application (bazaar_id, vendor_id) WHERE state <> 'withdrawn';
-- one booth, one vendor: whatever the code does, the second is refused here
CREATE UNIQUE INDEX application_in_booth ON application (bazaar_id, site_id, booth)
    WHERE state IN ('offered', 'confirmed', 'attended', 'missed');
CREATE INDEX application_waiting ON application (bazaar_id, place) WHERE state = 'queued';
CREATE INDEX application_open_offer ON application (bazaar_id, respond_by) WHERE state = 'offered';
CREATE INDEX application_by_vendor ON application (vendor_id, application_id);

CREATE TABLE check_in (
    application_id uuid NOT NULL REFERENCES application (application_id),
    day date NOT NULL,
    checked_in_at timestamptz NOT NULL,
    PRIMARY KEY (application_id, day)
);

CREATE TABLE sales (
    application_id uuid NOT NULL REFERENCES application (application_id),
    day date NOT NULL,
    turnover_rupiah bigint NOT NULL CHECK (turnover_rupiah > 0),
    transactions int NOT NULL CHECK (transactions > 0),
    reported_at timestamptz NOT NULL,
    PRIMARY KEY (application_id, day)
);

-- The ledger of fair rotation ---------------------------------------------------------------------------------------

-- Since when a vendor without a turn waits: the day of its first application to any bazaar.
CREATE TABLE first_application (
    vendor_id uuid PRIMARY KEY,
    day date NOT NULL
);

-- One row per turn. An application costs at most one: a booth confirmed (attended or missed), or an offer left to
-- lapse. `day` is the last day of the bazaar, or the day the offer lapsed.
CREATE TABLE turn (
    application_id uuid PRIMARY KEY REFERENCES application (application_id),
    vendor_id uuid NOT NULL,
    day date NOT NULL
);
CREATE INDEX turn_of_vendor ON turn (vendor_id, day);
