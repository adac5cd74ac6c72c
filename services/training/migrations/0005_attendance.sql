-- Attendance: tickets and the keys that sign them, scans of several devices, what people marked, completion rules.

-- Tickets -----------------------------------------------------------------------------------------------------------

-- Keys that sign tickets. The newest signs; the public half of every one stays published, for tickets it signed.
-- `sealed`: the 32 bytes of the private half, sealed with `id` as context.
CREATE TABLE ticket_key (
    id uuid PRIMARY KEY,
    key_id text NOT NULL UNIQUE CHECK (key_id ~ '^[0-9a-f]{8}$'),
    public bytea NOT NULL CHECK (length(public) = 32),
    sealed bytea NOT NULL,
    made_at timestamptz NOT NULL
);

-- Every ticket issued. The one with the highest serial counts, while its vendor has a place in the class. `number`: what
-- may be typed instead of it; a vendor keeps it through all its tickets of the class.
CREATE TABLE class_ticket (
    class_id uuid NOT NULL REFERENCES training_class (class_id),
    vendor_id uuid NOT NULL,
    serial int NOT NULL CHECK (serial BETWEEN 1 AND 65535),
    number int NOT NULL CHECK (number > 0),
    days date[] NOT NULL CHECK (cardinality(days) > 0),
    ticket text NOT NULL,
    issued_at timestamptz NOT NULL,
    PRIMARY KEY (class_id, vendor_id, serial)
);
CREATE INDEX class_ticket_vendor ON class_ticket (vendor_id);

-- Scans -------------------------------------------------------------------------------------------------------------

-- Scans of genuine tickets, as a set: one row for each scan however often devices send it. `moment`: when it was made,
-- its device's clock corrected; the earliest that any sending of it gives. `flagged_because`: an officer decides on it.
CREATE TABLE class_scan (
    class_id uuid NOT NULL REFERENCES training_class (class_id),
    scan_id uuid NOT NULL,
    device_id text NOT NULL,
    vendor_id uuid NOT NULL,
    serial int NOT NULL,
    moment timestamptz NOT NULL,
    day date NOT NULL,
    state text NOT NULL CHECK (state IN ('flagged', 'accepted', 'dismissed')),
    flagged_because text CHECK ((state = 'accepted') OR flagged_because IS NOT NULL),
    received_at timestamptz NOT NULL,
    PRIMARY KEY (class_id, scan_id)
);
CREATE INDEX class_scan_day ON class_scan (class_id, day, vendor_id);
CREATE INDEX class_scan_flagged ON class_scan (class_id, scan_id) WHERE state = 'flagged';
CREATE INDEX class_scan_vendor ON class_scan (vendor_id);

-- What was refused: forgeries, tickets that do not count any more, of other classes. Whose it was is not kept.
CREATE TABLE refused_scan (
    class_id uuid NOT NULL REFERENCES training_class (class_id),
    scan_id uuid NOT NULL,
    device_id text NOT NULL,
    code text NOT NULL,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (class_id, scan_id, device_id)
);

-- Devices that sent scans of a class, and when they did so last.
CREATE TABLE class_device (
    class_id uuid NOT NULL REFERENCES training_class (class_id),
    device_id text NOT NULL,
    account text NOT NULL,
    first_sent_at timestamptz NOT NULL,
    last_sent_at timestamptz NOT NULL,
    PRIMARY KEY (class_id, device_id)
);

-- What people said --------------------------------------------------------------------------------------------------

-- Every word of a person on who was there, for ever; the last one on a vendor's day counts, before any scan.
-- `attendance` holds what follows from these and from the scans.
CREATE TABLE attendance_mark (
    mark_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    class_id uuid NOT NULL REFERENCES training_class (class_id),
    vendor_id uuid NOT NULL,
    day date NOT NULL,
    present boolean NOT NULL,
    source text NOT NULL CHECK (source IN ('list', 'sheet', 'officer', 'scan')),
    marked_by text NOT NULL,
    marked_at timestamptz NOT NULL
);
CREATE INDEX attendance_mark_day ON attendance_mark (class_id, day, vendor_id, mark_id);
CREATE INDEX attendance_mark_vendor ON attendance_mark (vendor_id);

-- What the lists said that were handed in before.
INSERT INTO attendance_mark (class_id, vendor_id, day, present, source, marked_by, marked_at)
SELECT l.class_id, e.vendor_id, l.day,
    EXISTS (SELECT FROM attendance a WHERE a.class_id = l.class_id AND a.vendor_id = e.vendor_id AND a.day = l.day),
    'list', l.taken_by, l.taken_at
FROM (
    SELECT DISTINCT ON (class_id, day) class_id, day, taken_by, taken_at FROM attendance_list
    ORDER BY class_id, day, list_id DESC
) AS l
JOIN enrolment e ON e.class_id = l.class_id AND e.enrolled_at <= l.taken_at AND e.sessions_attended IS NULL;

-- Completion --------------------------------------------------------------------------------------------------------

-- Completion rules: never changed, only followed by another. Classes keep the one they were opened under.
CREATE TABLE completion_rule (
    version int PRIMARY KEY CHECK (version > 0),
    -- none: of every course that has none of its own
    course text COLLATE "C",
    percent_min int CHECK (percent_min BETWEEN 1 AND 100),
    sessions_min int CHECK (sessions_min > 0),
    last_required boolean NOT NULL DEFAULT false,
    score_min int CHECK (score_min BETWEEN 1 AND 100),
    made_by text NOT NULL,
    made_at timestamptz NOT NULL,
    CHECK (percent_min IS NOT NULL OR sessions_min IS NOT NULL OR last_required OR score_min IS NOT NULL)
);
CREATE INDEX completion_rule_course ON completion_rule (course, version);
INSERT INTO completion_rule (version, percent_min, made_by, made_at) VALUES (1, 80, 'programme', '2023-01-01T00:00Z');

ALTER TABLE training_class ADD FOREIGN KEY (rule) REFERENCES completion_rule (version);

-- Every score that was entered, for ever; the last one of a vendor counts, none takes it back.
CREATE TABLE test_score (
    score_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    class_id uuid NOT NULL REFERENCES training_class (class_id),
    vendor_id uuid NOT NULL,
    score int CHECK (score BETWEEN 0 AND 100),
    entered_by text NOT NULL,
    entered_at timestamptz NOT NULL
);
CREATE INDEX test_score_vendor ON test_score (class_id, vendor_id, score_id);
CREATE INDEX test_score_of_vendor ON test_score (vendor_id);
