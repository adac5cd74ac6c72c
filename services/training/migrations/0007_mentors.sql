-- Mentors (pendamping, bapak/ibu angkat), the groups they adopt, and their visits.

CREATE TABLE mentor (
    mentor_id uuid PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('employed', 'foster')),
    funding text NOT NULL CHECK (funding IN ('APBD', 'NON_APBD')),
    agency text CHECK (kind <> 'employed' OR agency IS NOT NULL),
    areas text[] NOT NULL CHECK (cardinality(areas) > 0),
    fields text[] NOT NULL,
    languages text[] NOT NULL,
    load_max int NOT NULL CHECK (load_max >= 0),
    -- `sub` of the mentor's own tokens
    account text UNIQUE,
    -- a member who graduated and mentors now
    vendor_id uuid,
    state text NOT NULL CHECK (state IN ('listed', 'withdrawn')),
    version bigint NOT NULL,
    listed_at timestamptz NOT NULL,
    -- name, phone and e-mail as JSON, sealed; gone when the mentor is withdrawn
    card_sealed bytea,
    card_version bigint NOT NULL DEFAULT 0,
    withdrawn_at timestamptz,
    -- bapak/ibu angkat never cost public money (DOMAIN E4)
    CHECK (kind <> 'foster' OR funding = 'NON_APBD'),
    CHECK ((state = 'withdrawn') = (withdrawn_at IS NOT NULL)),
    CHECK (state = 'listed' OR (account IS NULL AND card_sealed IS NULL))
);
CREATE INDEX mentor_vendor ON mentor (vendor_id) WHERE vendor_id IS NOT NULL;

-- A group that a foster mentor adopted. Who is in it follows from the assignments, which say since when and until when.
CREATE TABLE foster_group (
    group_id uuid PRIMARY KEY,
    mentor_id uuid NOT NULL REFERENCES mentor (mentor_id),
    area text COLLATE "C" NOT NULL,
    field text,
    members_max int NOT NULL CHECK (members_max > 0),
    adopted_at timestamptz NOT NULL,
    ended_at timestamptz
);
CREATE INDEX foster_group_mentor ON foster_group (mentor_id);

-- `assignment_id` is an assignment of kind foster (its table comes with the next migration).
CREATE TABLE foster_member (
    assignment_id uuid PRIMARY KEY,
    group_id uuid NOT NULL REFERENCES foster_group (group_id),
    vendor_id uuid NOT NULL
);
CREATE INDEX foster_member_group ON foster_member (group_id);
CREATE INDEX foster_member_vendor ON foster_member (vendor_id);

-- The last entry of each visit. What a mentor wrote is sealed.
CREATE TABLE visit (
    visit_id uuid PRIMARY KEY,
    vendor_id uuid NOT NULL,
    mentor_id uuid NOT NULL REFERENCES mentor (mentor_id),
    visited_on date NOT NULL,
    mode text NOT NULL CHECK (mode IN ('visit', 'call', 'group')),
    -- a code: what is agreed in words belongs into the note
    next_action text,
    next_action_on date,
    month text COLLATE "C",
    turnover_rupiah bigint,
    assets_rupiah bigint,
    workers int,
    note bytea,
    state text NOT NULL CHECK (state IN ('logged', 'struck')),
    entry int NOT NULL,
    logged_by text NOT NULL,
    logged_at timestamptz NOT NULL,
    -- the mentor's own id of it, from a sheet kept without a network
    reference text COLLATE "C",
    struck_because text,
    CHECK (next_action_on IS NULL OR next_action IS NOT NULL),
    CHECK ((month IS NULL) = (num_nonnulls(turnover_rupiah, assets_rupiah, workers) = 0)),
    CHECK ((state = 'struck') = (struck_because IS NOT NULL))
);
CREATE INDEX visit_vendor ON visit (vendor_id, visited_on);
CREATE INDEX visit_mentor ON visit (mentor_id, visited_on);
-- one visit of a day and a way, unless the mentor tells two apart by references of its own
CREATE UNIQUE INDEX visit_once ON visit (mentor_id, vendor_id, visited_on, mode)
    WHERE state = 'logged' AND reference IS NULL;
CREATE UNIQUE INDEX visit_reference ON visit (mentor_id, reference) WHERE reference IS NOT NULL;
CREATE INDEX visit_last ON visit (mentor_id, vendor_id, visited_on DESC) INCLUDE (next_action_on)
    WHERE state = 'logged';
CREATE INDEX visit_day ON visit (visited_on) INCLUDE (mentor_id, vendor_id) WHERE state = 'logged';

-- Entries of visits that were corrected since: what stood before, who had entered it, and when.
CREATE TABLE visit_entry (
    entry_id uuid PRIMARY KEY,
    visit_id uuid NOT NULL REFERENCES visit (visit_id),
    entry int NOT NULL,
    visited_on date NOT NULL,
    mode text NOT NULL,
    next_action text,
    next_action_on date,
    month text COLLATE "C",
    turnover_rupiah bigint,
    assets_rupiah bigint,
    workers int,
    note bytea,
    logged_by text NOT NULL,
    logged_at timestamptz NOT NULL,
    UNIQUE (visit_id, entry)
);
