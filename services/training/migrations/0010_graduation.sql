-- Graduation (pengentasan, naik kelas; DOMAIN E5): figures by month as the registry tells them, criteria, candidacies,
-- and what each agency did.

-- Copy of the registry: the last word on each month of each id.
CREATE TABLE indicator (
    vendor_id uuid NOT NULL,
    month text COLLATE "C" NOT NULL,
    turnover_rupiah bigint,
    assets_rupiah bigint,
    workers int,
    entered_by text NOT NULL,
    queried boolean NOT NULL,
    registry_version bigint NOT NULL,
    -- when somebody entered it: of a person's several ids the last entered counts
    entered_at timestamptz NOT NULL,
    PRIMARY KEY (vendor_id, month)
);
CREATE INDEX indicator_month ON indicator (month, vendor_id);

-- What has to be held for how long, in versions that never change. In force on a day is the highest version whose
-- effective day has come. `document`: see domain/criteria.py, which is its schema.
CREATE TABLE graduation_criteria (
    name text COLLATE "C" NOT NULL,
    version int NOT NULL CHECK (version >= 1),
    effective_on date NOT NULL,
    title_id text NOT NULL,
    title_en text NOT NULL,
    document jsonb NOT NULL,
    made_by text NOT NULL,
    made_at timestamptz NOT NULL,
    PRIMARY KEY (name, version)
);
INSERT INTO graduation_criteria (name, version, effective_on, title_id, title_en, document, made_by, made_at) VALUES
    ('naik-kelas', 1, '2020-01-01', 'Naik kelas', 'Graduation',
     '{"months": 6, "late_months": 3, "conditions": [
         {"kind": "least", "measure": "turnover_rupiah", "at_least": 25000000},
         {"kind": "least", "measure": "assets_rupiah", "at_least": 50000000},
         {"kind": "least", "measure": "workers", "at_least": 2},
         {"kind": "trainings", "at_least": 1},
         {"kind": "nothing-queried"}]}',
     'migration', '2020-01-01T00:00:00Z');

-- `months_from` to `months_until`: the run for which it was proposed. `evidence` is what the decider saw, as text, so
-- that its sha256 can be computed again; `kelurahan` where the vendor lived then. Of an erased person stays what it
-- decided, without evidence, under an id that leads to nobody.
CREATE TABLE candidacy (
    candidacy_id uuid PRIMARY KEY,
    vendor_id uuid NOT NULL,
    criteria text COLLATE "C" NOT NULL,
    criteria_version int NOT NULL,
    state text NOT NULL CHECK (state IN ('proposed', 'taken-back', 'graduated', 'declined', 'revoked')),
    proposed_at timestamptz NOT NULL,
    decided_at timestamptz,
    months_from text COLLATE "C" NOT NULL,
    months_until text COLLATE "C" NOT NULL,
    taken_back_because text CHECK (taken_back_because IN ('figures', 'merged')),
    decided_by text,
    decided_on date,
    -- the last month that the decision looked at: those until then are not proposed again
    decided_until text COLLATE "C",
    reason text,
    kelurahan text COLLATE "C",
    evidence text,
    evidence_sha256 text,
    erased_at timestamptz,
    FOREIGN KEY (criteria, criteria_version) REFERENCES graduation_criteria (name, version),
    CHECK ((state IN ('proposed', 'taken-back')) = (decided_at IS NULL)),
    CHECK ((decided_at IS NULL) = (decided_on IS NULL) AND (decided_at IS NULL) = (decided_until IS NULL)),
    CHECK ((state = 'taken-back') = (taken_back_because IS NOT NULL)),
    CHECK ((decided_at IS NULL) OR (evidence IS NOT NULL) = (erased_at IS NULL))
);
CREATE INDEX candidacy_vendor ON candidacy (vendor_id, proposed_at);
CREATE INDEX candidacy_state ON candidacy (state, candidacy_id);
-- of a person with several ids the handler sees to it, with all of their records locked
CREATE UNIQUE INDEX candidacy_standing ON candidacy (vendor_id) WHERE state = 'proposed';
-- one candidacy of a run, which comes back when a correction is corrected
CREATE UNIQUE INDEX candidacy_run ON candidacy (vendor_id, criteria, criteria_version, months_from, months_until);
CREATE INDEX candidacy_decided ON candidacy (decided_on) WHERE state = 'graduated';

-- UU PDP: whoever objects to a decision is answered by another person. What people write is sealed.
CREATE TABLE graduation_appeal (
    appeal_id uuid PRIMARY KEY,
    candidacy_id uuid NOT NULL CONSTRAINT graduation_appealed_once UNIQUE REFERENCES candidacy (candidacy_id),
    vendor_id uuid NOT NULL,
    state text NOT NULL CHECK (state IN ('open', 'upheld', 'rejected', 'dropped')),
    text_sealed bytea,
    filed_by text NOT NULL,
    filed_at timestamptz NOT NULL,
    answer_sealed bytea,
    decided_by text,
    decided_at timestamptz
);
CREATE INDEX graduation_appeal_vendor ON graduation_appeal (vendor_id);
CREATE INDEX graduation_appeal_open ON graduation_appeal (candidacy_id) WHERE state = 'open';

-- How a graduate is shared among the agencies that worked on it, frozen with the decision: each graduate is 1000
-- thousandths in all. `months`: calendar months in which the agency did something for it.
CREATE TABLE graduation_share (
    candidacy_id uuid NOT NULL REFERENCES candidacy (candidacy_id),
    agency text COLLATE "C" NOT NULL,
    months int NOT NULL CHECK (months > 0),
    thousandths int NOT NULL CHECK (thousandths BETWEEN 0 AND 1000),
    PRIMARY KEY (candidacy_id, agency)
);

-- Who coached whom since when, in the registry's words: each holds until the next one. `merged`: the id was retired,
-- `unmerged`: it stands for itself again, as before.
CREATE TABLE coaching_word (
    vendor_id uuid NOT NULL,
    registry_version bigint NOT NULL,
    word text NOT NULL CHECK (word IN ('coached', 'ended', 'merged', 'unmerged')),
    agency text,
    since timestamptz NOT NULL,
    PRIMARY KEY (vendor_id, registry_version),
    CHECK ((word = 'coached') = (agency IS NOT NULL))
);

-- People to be looked at again, because something that the criteria ask about has changed. Only ever added to and
-- taken from, so that nobody waits here for a lock.
CREATE TABLE graduation_due (
    due_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    vendor_id uuid NOT NULL
);

INSERT INTO timer (kind, key, due_at) VALUES
    ('graduation-review', 'due', 'epoch'),
    ('graduation-month', 'everyone', 'epoch');
