-- The day itself: tickets and the keys that sign them, gates, scans of several devices, sales with their corrections.

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

-- Every ticket issued. The one with the highest serial is valid, and only for the booth that the application holds.
CREATE TABLE ticket (
    application_id uuid NOT NULL REFERENCES application (application_id) ON DELETE CASCADE,
    serial int NOT NULL CHECK (serial BETWEEN 1 AND 65535),
    site_id text NOT NULL,
    booth text NOT NULL,
    days date[] NOT NULL CHECK (cardinality(days) > 0),
    ticket text NOT NULL,
    issued_at timestamptz NOT NULL,
    PRIMARY KEY (application_id, serial)
);

-- Gates and scans ---------------------------------------------------------------------------------------------------

-- When a site's gate closes on its first day (time of Jakarta; no row: 10.00), and since when the absent have lost
-- their booths to walk-ins.
CREATE TABLE gate (
    bazaar_id uuid NOT NULL,
    site_id text NOT NULL,
    closes_at time NOT NULL DEFAULT '10:00',
    released_at timestamptz,
    PRIMARY KEY (bazaar_id, site_id),
    FOREIGN KEY (bazaar_id, site_id) REFERENCES site (bazaar_id, site_id)
);

-- Scans of genuine tickets, as a set: one row for each scan however often devices send it. `moment`: when it was made,
-- its device's clock corrected; the earliest that any sending of it gives. `flagged_because`: an officer decides on it.
CREATE TABLE scan (
    bazaar_id uuid NOT NULL REFERENCES bazaar (bazaar_id),
    scan_id uuid NOT NULL,
    device_id text NOT NULL,
    application_id uuid NOT NULL REFERENCES application (application_id) ON DELETE CASCADE,
    serial int NOT NULL,
    moment timestamptz NOT NULL,
    day date NOT NULL,
    state text NOT NULL CHECK (state IN ('flagged', 'accepted', 'dismissed')),
    flagged_because text CHECK ((state = 'accepted') OR flagged_because IS NOT NULL),
    received_at timestamptz NOT NULL,
    PRIMARY KEY (bazaar_id, scan_id)
);
CREATE INDEX scan_flagged ON scan (bazaar_id, scan_id) WHERE state = 'flagged';
CREATE INDEX scan_of_application ON scan (application_id, day);

-- Sales -------------------------------------------------------------------------------------------------------------

-- `sales` is what holds now, `sales_report` everything that was ever reported. Who sold nothing may say so.
ALTER TABLE sales
    DROP CONSTRAINT sales_turnover_rupiah_check,
    DROP CONSTRAINT sales_transactions_check,
    ADD COLUMN units int CHECK (units >= 0),
    ADD COLUMN report int NOT NULL DEFAULT 1,
    -- far from what is usual: codes of the reasons while nobody has confirmed or corrected it
    ADD COLUMN queried_because text[] NOT NULL DEFAULT '{}',
    ADD CONSTRAINT sales_of_a_day CHECK (
        turnover_rupiah >= 0 AND transactions >= 0 AND (turnover_rupiah = 0) = (transactions = 0)
    );
CREATE INDEX sales_queried ON sales (application_id, day) WHERE queried_because <> '{}';

CREATE TABLE sales_report (
    application_id uuid NOT NULL,
    day date NOT NULL,
    report int NOT NULL,
    turnover_rupiah bigint NOT NULL,
    transactions int NOT NULL,
    units int,
    -- who said so: the vendor signed in, the bearer of the vendor's link, an officer, a marketplace's file
    origin text NOT NULL CHECK (origin IN ('vendor', 'link', 'officer', 'import')),
    queried_because text[] NOT NULL DEFAULT '{}',
    -- when somebody said that these figures are right although they are far from what is usual
    confirmed_at timestamptz,
    confirmed_by text CHECK (confirmed_by IN ('vendor', 'link', 'officer', 'import')),
    reported_at timestamptz NOT NULL,
    PRIMARY KEY (application_id, day, report),
    FOREIGN KEY (application_id, day) REFERENCES sales (application_id, day) ON DELETE CASCADE
);
INSERT INTO sales_report (application_id, day, report, turnover_rupiah, transactions, origin, reported_at)
SELECT application_id, day, 1, turnover_rupiah, transactions, 'officer', reported_at FROM sales;

-- The link by which a vendor reports without signing in. One for an application: a new one ends the one before.
CREATE TABLE sales_link (
    application_id uuid PRIMARY KEY REFERENCES application (application_id) ON DELETE CASCADE,
    link_id uuid NOT NULL UNIQUE,
    expires_at timestamptz NOT NULL
);
