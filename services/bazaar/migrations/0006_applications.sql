-- Standing interest, parties that are joined with a code, and appeals.

-- Parties -----------------------------------------------------------------------------------------------------------

-- `size` of a party: for how many it is at most. Its code is told by its leader to whom it wants beside it; kept as a
-- hash, so that nobody who reads the table can join.
ALTER TABLE party ADD COLUMN code_sha256 bytea UNIQUE;

-- The how-manieth of its party to join: the first of those who are still there leads it.
ALTER TABLE application
    ADD COLUMN party_nth int,
    ADD CONSTRAINT application_nth_in_party CHECK (party_nth IS NULL OR party_id IS NOT NULL);
CREATE UNIQUE INDEX application_party_nth ON application (party_id, party_nth) WHERE party_nth IS NOT NULL;

-- Standing interest -------------------------------------------------------------------------------------------------

-- "Any Friday, craft": bazaars that a vendor wants to be in without applying to each. An empty list does not choose.
CREATE TABLE interest (
    interest_id uuid PRIMARY KEY,
    version bigint NOT NULL,
    vendor_id uuid NOT NULL,
    state text NOT NULL CHECK (state IN ('active', 'paused', 'ended')),
    origin text NOT NULL CHECK (origin IN ('vendor', 'officer')),
    series_id uuid,
    setting text CHECK (setting IN ('physical', 'online')),
    -- 1 Monday to 7 Sunday
    weekdays int[] NOT NULL,
    categories text[] NOT NULL,
    areas text[] NOT NULL,
    -- best first; `any_site`: every other site comes after them
    venue_ids uuid[] NOT NULL,
    any_site boolean NOT NULL,
    needs text[] NOT NULL,
    valid_until date NOT NULL,
    declared_at timestamptz NOT NULL,
    confirmed_at timestamptz NOT NULL
);
CREATE INDEX interest_of_vendor ON interest (vendor_id, interest_id);
CREATE INDEX interest_active ON interest (interest_id) WHERE state = 'active';

-- How far the applications of a bazaar are made; a run that was cut off goes on behind `last_id`.
CREATE TABLE interest_run (
    bazaar_id uuid PRIMARY KEY REFERENCES bazaar (bazaar_id),
    last_id uuid NOT NULL,
    finished_at timestamptz
);

-- What became of an interest at a bazaar that it wanted: an application, or why not.
CREATE TABLE interest_outcome (
    interest_id uuid NOT NULL REFERENCES interest (interest_id) ON DELETE CASCADE,
    bazaar_id uuid NOT NULL REFERENCES bazaar (bazaar_id),
    application_id uuid REFERENCES application (application_id) ON DELETE CASCADE,
    because text,
    at timestamptz NOT NULL,
    PRIMARY KEY (interest_id, bazaar_id),
    CHECK ((application_id IS NULL) = (because IS NOT NULL))
);
CREATE INDEX interest_outcome_of_application ON interest_outcome (application_id) WHERE application_id IS NOT NULL;

-- Appeals -----------------------------------------------------------------------------------------------------------

-- An objection to a decision on an application, which a human decides. What people wrote is sealed with the appeal's id
-- as context. dropped: the person is erased.
CREATE TABLE appeal (
    appeal_id uuid PRIMARY KEY,
    application_id uuid NOT NULL REFERENCES application (application_id) ON DELETE CASCADE,
    bazaar_id uuid NOT NULL REFERENCES bazaar (bazaar_id),
    vendor_id uuid NOT NULL,
    about text NOT NULL CHECK (about IN ('not-served', 'lapsed', 'no-show', 'ineligible', 'other')),
    state text NOT NULL CHECK (state IN ('open', 'upheld', 'rejected', 'dropped')),
    text_sealed bytea,
    filed_by text NOT NULL,
    filed_at timestamptz NOT NULL,
    reason text,
    remedy text CHECK (remedy IN ('none', 'turn-returned', 'waiting-restored', 'priority-granted')),
    answer_sealed bytea,
    decided_by text,
    decided_at timestamptz,
    CHECK ((state IN ('upheld', 'rejected')) = (decided_at IS NOT NULL)),
    CHECK ((decided_at IS NULL) = (reason IS NULL) AND (decided_at IS NULL) = (remedy IS NULL))
);
-- one objection to one thing; what was decided is decided
CREATE UNIQUE INDEX appeal_about ON appeal (application_id, about) WHERE state <> 'dropped';
CREATE INDEX appeal_in_state ON appeal (state, appeal_id);
CREATE INDEX appeal_of_vendor ON appeal (vendor_id);
