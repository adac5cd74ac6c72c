-- Training: what the registry says of vendors, classes, and one training record per vendor.

-- Projection of the vendor registry. Only the consumer writes it, and it is kept apart from `trainee`: a batch of
-- events never waits for, nor blocks, a trainee's row that enrolment or attendance has locked.
CREATE TABLE vendor (
    vendor_id uuid PRIMARY KEY,
    kelurahan text COLLATE "C" NOT NULL,
    rw text NOT NULL,
    category text,
    agency text,
    registry_version bigint NOT NULL
) WITH (fillfactor = 90);

-- The training record of a vendor: `version` counts its events, whichever class they concern.
CREATE TABLE trainee (
    vendor_id uuid PRIMARY KEY REFERENCES vendor (vendor_id),
    version bigint NOT NULL
) WITH (fillfactor = 80);

CREATE TABLE training_class (
    class_id uuid PRIMARY KEY,
    course text NOT NULL,
    title text NOT NULL,
    area text COLLATE "C" NOT NULL,
    kind text NOT NULL,
    days date[] NOT NULL CHECK (cardinality(days) > 0),
    places int NOT NULL CHECK (places > 0),
    rule int NOT NULL,
    state text NOT NULL CHECK (state IN ('open', 'finished')),
    version bigint NOT NULL,
    opened_at timestamptz NOT NULL,
    finished_at timestamptz
) WITH (fillfactor = 90);
CREATE INDEX training_class_open ON training_class (course) WHERE state = 'open';

-- At most one row per vendor and course: to wait (no class), later once to a class.
CREATE TABLE invitation (
    vendor_id uuid NOT NULL REFERENCES trainee (vendor_id),
    course text NOT NULL,
    class_id uuid REFERENCES training_class (class_id),
    invited_at timestamptz NOT NULL,
    class_invited_at timestamptz,
    PRIMARY KEY (vendor_id, course),
    CHECK ((class_id IS NULL) = (class_invited_at IS NULL))
);
CREATE INDEX invitation_waiting ON invitation (course, invited_at, vendor_id) WHERE class_id IS NULL;
CREATE INDEX invitation_class ON invitation (class_id) WHERE class_id IS NOT NULL;

CREATE TABLE enrolment (
    class_id uuid NOT NULL REFERENCES training_class (class_id),
    vendor_id uuid NOT NULL REFERENCES trainee (vendor_id),
    enrolled_at timestamptz NOT NULL,
    result text CHECK (result IN ('completed', 'not-completed')),
    result_at timestamptz,
    PRIMARY KEY (class_id, vendor_id),
    CHECK ((result IS NULL) = (result_at IS NULL))
);
CREATE INDEX enrolment_vendor ON enrolment (vendor_id);
CREATE INDEX enrolment_completed ON enrolment (vendor_id) WHERE result = 'completed';

-- A row says that the vendor attended the session of that day.
CREATE TABLE attendance (
    class_id uuid NOT NULL,
    vendor_id uuid NOT NULL,
    day date NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (class_id, vendor_id, day),
    FOREIGN KEY (class_id, vendor_id) REFERENCES enrolment (class_id, vendor_id)
);

-- Every list that was handed in for a session, so that a correction can be traced to a person and a moment.
CREATE TABLE attendance_list (
    list_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    class_id uuid NOT NULL REFERENCES training_class (class_id),
    day date NOT NULL,
    attended int NOT NULL,
    taken_by text NOT NULL,
    taken_at timestamptz NOT NULL
);
CREATE INDEX attendance_list_class ON attendance_list (class_id, day);
