-- What the parts of a season share: how bazaars hang together, more states, pools with days of their own, parties of
-- applicants, pseudonyms in the published files, and corrections of the ledger.

-- Bazaars -----------------------------------------------------------------------------------------------------------

ALTER TABLE bazaar
    ADD COLUMN setting text NOT NULL DEFAULT 'physical' CHECK (setting IN ('physical', 'online')),
    -- whom it is for, where that is more than the kelurahan of its sites; its officers must cover it
    ADD COLUMN area text,
    -- the series it belongs to, and the day that the series' rule gave it: the same for ever, also when it is moved
    ADD COLUMN series_id uuid,
    ADD COLUMN series_day date,
    ADD COLUMN applications_open_at timestamptz,
    -- code of the reason for which it does not take place
    ADD COLUMN cancelled_because text,
    -- the days before it was moved the last time
    ADD COLUMN moved_from date[],
    -- how often what residents see of it has changed: SEQUENCE of RFC 5545
    ADD COLUMN revision int NOT NULL DEFAULT 0,
    DROP CONSTRAINT bazaar_state_check,
    ADD CONSTRAINT bazaar_state_check CHECK (state IN (
        'draft', 'tentative', 'announced', 'frozen', 'seeded', 'allocated', 'finished', 'cancelled'
    ));
CREATE UNIQUE INDEX bazaar_of_series ON bazaar (series_id, series_day) WHERE series_id IS NOT NULL;

-- A site is a pool of the round: a venue on some of the bazaar's days. `days` NULL: on all of them.
-- `extends`: the site it was added to after applications closed; who named that one is taken to have named this one.
ALTER TABLE site
    ADD COLUMN venue_id uuid,
    ADD COLUMN days date[],
    ADD COLUMN extends text;

ALTER TABLE booth
    DROP CONSTRAINT booth_kind_check,
    ADD CONSTRAINT booth_kind_check CHECK (kind IN ('vendor', 'agency', 'partner', 'sponsor', 'showcase'));

-- Applications ------------------------------------------------------------------------------------------------------

-- Vendors who want to stand together. `if_apart`: what becomes of them when there is no room for all of them together.
CREATE TABLE party (
    party_id uuid PRIMARY KEY,
    bazaar_id uuid NOT NULL REFERENCES bazaar (bazaar_id),
    if_apart text NOT NULL CHECK (if_apart IN ('none', 'split')),
    size int NOT NULL CHECK (size BETWEEN 2 AND 10),
    created_at timestamptz NOT NULL
);
CREATE INDEX party_of_bazaar ON party (bazaar_id);

ALTER TABLE application
    ADD COLUMN origin text NOT NULL DEFAULT 'vendor' CHECK (origin IN ('vendor', 'officer', 'standing', 'walk-in')),
    ADD COLUMN party_id uuid REFERENCES party (party_id),
    -- what its booth must have
    ADD COLUMN needs text[] NOT NULL DEFAULT '{}',
    -- the name it bears in the published files, fixed by the freeze
    ADD COLUMN pseudonym text,
    DROP CONSTRAINT application_state_check,
    -- released: confirmed, and given back in time; cancelled: the bazaar does not take place
    ADD CONSTRAINT application_state_check CHECK (state IN (
        'received', 'withdrawn', 'ineligible', 'queued', 'offered',
        'confirmed', 'declined', 'lapsed', 'released', 'attended', 'missed', 'cancelled'
    ));
ALTER TABLE application DROP CONSTRAINT application_check1, ADD CONSTRAINT application_holds_booth CHECK (
    site_id IS NOT NULL OR state NOT IN ('offered', 'confirmed', 'declined', 'lapsed', 'released', 'attended', 'missed')
);
CREATE INDEX application_of_party ON application (party_id) WHERE party_id IS NOT NULL;
CREATE UNIQUE INDEX application_pseudonym ON application (bazaar_id, pseudonym) WHERE pseudonym IS NOT NULL;

-- Who missed its booth holds it no longer: it goes to a walk-in.
DROP INDEX application_in_booth;
CREATE UNIQUE INDEX application_in_booth ON application (bazaar_id, site_id, booth)
    WHERE state IN ('offered', 'confirmed', 'attended');

-- The ledger --------------------------------------------------------------------------------------------------------

-- What is added to a vendor's standing: a no-show weighs more than a turn used, an appeal gives back. It decays in a
-- straight line from `from_day` to nothing on `until_day`; NULL: it stays.
CREATE TABLE turn_adjustment (
    adjustment_id uuid PRIMARY KEY,
    vendor_id uuid NOT NULL,
    application_id uuid REFERENCES application (application_id),
    because text NOT NULL CHECK (because IN ('no-show', 'appeal')),
    appeal_id uuid,
    turns int NOT NULL DEFAULT 0,
    wait_days int NOT NULL DEFAULT 0,
    from_day date NOT NULL,
    until_day date CHECK (until_day > from_day),
    made_at timestamptz NOT NULL
);
CREATE INDEX turn_adjustment_of_vendor ON turn_adjustment (vendor_id);
CREATE UNIQUE INDEX turn_adjustment_for_no_show ON turn_adjustment (application_id) WHERE because = 'no-show';
