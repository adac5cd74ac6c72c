-- Who accompanies whom, and the computed assignments that were previewed and published.

CREATE TABLE assignment (
    assignment_id uuid PRIMARY KEY,
    vendor_id uuid NOT NULL,
    mentor_id uuid NOT NULL REFERENCES mentor (mentor_id),
    kind text NOT NULL CHECK (kind IN ('employed', 'foster')),
    by text NOT NULL CHECK (by IN ('matching', 'newcomer', 'officer')),
    matching_id uuid,
    since timestamptz NOT NULL,
    until timestamptz,
    -- as in MentorUnassigned; 'rematched' also where another mentor took over
    ended_because text,
    -- of an officer's act: who, and the code of the reason
    assigned_by text,
    reason text,
    ended_by text,
    ended_reason text,
    CHECK ((until IS NULL) = (ended_because IS NULL))
);
CREATE UNIQUE INDEX assignment_standing ON assignment (vendor_id, kind) WHERE until IS NULL;
CREATE INDEX assignment_mentor ON assignment (mentor_id) WHERE until IS NULL;
CREATE INDEX assignment_vendor ON assignment (vendor_id, since);

-- What a vendor wishes of its mentor; without a row: its category decides, in Indonesian.
CREATE TABLE mentoring_wish (
    vendor_id uuid PRIMARY KEY,
    fields text[] NOT NULL,
    language text NOT NULL CHECK (language IN ('id', 'en')),
    said_at timestamptz NOT NULL
);

-- Which fields of competence serve which product group, as data (DOMAIN D3).
CREATE TABLE category_field (
    category text NOT NULL,
    field text COLLATE "C" NOT NULL REFERENCES course_field (field),
    PRIMARY KEY (category, field)
);
INSERT INTO category_field (category, field) VALUES
    ('food-drink', 'kuliner'), ('meals-household', 'kuliner'), ('fashion-craft', 'kriya'), ('health', 'licensing');

-- Who is given a mentor without an officer asking for it; the last row holds.
CREATE TABLE mentoring_policy (
    version int PRIMARY KEY,
    newcomers text NOT NULL CHECK (newcomers IN ('asked', 'everyone', 'nobody')),
    set_by text NOT NULL,
    set_at timestamptz NOT NULL
);
INSERT INTO mentoring_policy (version, newcomers, set_by, set_at) VALUES (1, 'asked', 'default', now());

-- A computed assignment: of an area by an officer ('area'), or of those who have no mentor yet ('newcomers').
-- Problem and result name vendors by numbers; who bears which, `matching_pair` says, and forgets when one is erased.
CREATE TABLE matching (
    matching_id uuid PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('area', 'newcomers')),
    area text COLLATE "C" NOT NULL,
    state text NOT NULL CHECK (state IN ('previewed', 'publishing', 'published', 'dropped')),
    version bigint NOT NULL,
    problem bytea NOT NULL,
    problem_sha256 text NOT NULL,
    result bytea NOT NULL,
    result_sha256 text NOT NULL,
    solver text NOT NULL,
    seconds double precision NOT NULL,
    summary jsonb NOT NULL,
    made_by text NOT NULL,
    made_at timestamptz NOT NULL,
    published_by text,
    published_at timestamptz,
    finished_at timestamptz
);
CREATE INDEX matching_area ON matching (area, matching_id);

-- `step`: the order in which pairs are applied, so that no mentor is over its limit between two transactions;
-- those of one step are applied together.
CREATE TABLE matching_pair (
    matching_id uuid NOT NULL REFERENCES matching (matching_id),
    name text COLLATE "C" NOT NULL,
    vendor_id uuid NOT NULL,
    mentor_id uuid REFERENCES mentor (mentor_id),
    previous_mentor_id uuid REFERENCES mentor (mentor_id),
    change text NOT NULL CHECK (change IN ('kept', 'moved', 'new', 'parted', 'unmatched')),
    step int NOT NULL,
    state text NOT NULL CHECK (state IN ('planned', 'applied', 'skipped')),
    skipped_because text,
    PRIMARY KEY (matching_id, name),
    CHECK ((state = 'skipped') = (skipped_because IS NOT NULL))
);
CREATE INDEX matching_pair_vendor ON matching_pair (vendor_id);
CREATE INDEX matching_pair_step ON matching_pair (matching_id, step) WHERE state = 'planned';

-- Seats that a publication under way will still take: nobody else is given them.
CREATE TABLE seat_promised (
    mentor_id uuid NOT NULL REFERENCES mentor (mentor_id),
    matching_id uuid NOT NULL REFERENCES matching (matching_id),
    seats int NOT NULL CHECK (seats >= 0),
    PRIMARY KEY (mentor_id, matching_id)
);

-- A vendor asks for another mentor; an officer answers.
CREATE TABLE mentor_request (
    request_id uuid PRIMARY KEY,
    vendor_id uuid NOT NULL,
    mentor_id uuid REFERENCES mentor (mentor_id),
    reason text NOT NULL,
    state text NOT NULL CHECK (state IN ('open', 'granted', 'declined', 'taken-back')),
    asked_at timestamptz NOT NULL,
    answered_by text,
    answered_at timestamptz,
    CHECK ((state IN ('granted', 'declined')) = (answered_by IS NOT NULL))
);
CREATE UNIQUE INDEX mentor_request_open ON mentor_request (vendor_id) WHERE state = 'open';
CREATE INDEX mentor_request_vendor ON mentor_request (vendor_id, asked_at);

INSERT INTO timer (kind, key, due_at) VALUES ('mentors-for-newcomers', 'nightly', 'epoch');
