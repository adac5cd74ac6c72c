-- Classes: drafts, providers, hours and places; who waits; booths that clash with sessions.

-- A draft may have no days yet; a class that was cancelled keeps what it had.
ALTER TABLE training_class
    DROP CONSTRAINT training_class_state_check,
    DROP CONSTRAINT training_class_days_check,
    ALTER COLUMN opened_at DROP NOT NULL,
    ADD COLUMN provider_id uuid REFERENCES provider (provider_id),
    -- `sub` of the tokens of whoever teaches
    ADD COLUMN trainer_account text,
    -- the commodity it is meant for; none: everybody
    ADD COLUMN category text,
    -- local time in Jakarta, one of each for each day, none where it is not known; empty: for no day
    ADD COLUMN starts time[] NOT NULL DEFAULT '{}',
    ADD COLUMN ends time[] NOT NULL DEFAULT '{}',
    -- where it meets, or the link of an online class
    ADD COLUMN venue text,
    -- so many people asked for it (DOMAIN B5)
    ADD COLUMN requests int NOT NULL DEFAULT 0 CHECK (requests >= 0),
    ADD COLUMN cancelled_at timestamptz,
    ADD COLUMN cancelled_because text,
    -- days of whose session people were reminded
    ADD COLUMN reminded date[] NOT NULL DEFAULT '{}',
    ADD CONSTRAINT training_class_state_check CHECK (state IN ('draft', 'open', 'cancelled', 'finished')),
    ADD CONSTRAINT training_class_days_check
        CHECK (cardinality(days) > 0 OR state = 'draft' OR (state = 'cancelled' AND opened_at IS NULL)),
    ADD CONSTRAINT training_class_opened_check CHECK (opened_at IS NOT NULL OR state IN ('draft', 'cancelled')),
    ADD CONSTRAINT training_class_cancelled_check
        CHECK ((state = 'cancelled') = (cancelled_at IS NOT NULL) AND (state = 'cancelled') = (cancelled_because IS NOT NULL)),
    ADD CONSTRAINT training_class_hours_check
        CHECK (cardinality(starts) = cardinality(ends) AND cardinality(starts) IN (0, cardinality(days)));
CREATE INDEX training_class_area ON training_class (area, course);
CREATE INDEX training_class_provider ON training_class (provider_id) WHERE provider_id IS NOT NULL;

-- Since when the person waits for the course; none: it has not waited, and stands since it enrolled.
ALTER TABLE enrolment ADD COLUMN waited_since timestamptz;

-- Who waits for a course: for a place in one class, or (none) for the next class of the course where it lives.
CREATE TABLE waiting (
    vendor_id uuid NOT NULL REFERENCES trainee (vendor_id),
    course text COLLATE "C" NOT NULL,
    class_id uuid REFERENCES training_class (class_id),
    since timestamptz NOT NULL,
    PRIMARY KEY (vendor_id, course)
);
CREATE INDEX waiting_course ON waiting (course, since, vendor_id);
CREATE INDEX waiting_class ON waiting (class_id) WHERE class_id IS NOT NULL;

-- Places that were given up.
CREATE TABLE withdrawal (
    class_id uuid NOT NULL REFERENCES training_class (class_id),
    vendor_id uuid NOT NULL,
    by text NOT NULL CHECK (by IN ('vendor', 'officer')),
    enrolled_at timestamptz NOT NULL,
    sessions_attended int NOT NULL,
    withdrawn_at timestamptz NOT NULL
);
CREATE INDEX withdrawal_vendor ON withdrawal (vendor_id);

-- Booths at bazaars, as their service tells of them: offered, or held once the vendor confirmed.
CREATE TABLE booth_day (
    application_id uuid PRIMARY KEY,
    vendor_id uuid NOT NULL,
    days date[] NOT NULL,
    held boolean NOT NULL
);
CREATE INDEX booth_day_vendor ON booth_day (vendor_id);
