-- Budgets: what providers may be asked for, shared by all replicas; and messages to many: broadcasts.

-- --- budgets

-- One row per business portfolio (a provider that shares none is its own): its lock lets one claim at a time spend, and
-- `recipients` is how many rows the portfolio has below, so that no claim counts them.
CREATE TABLE budget_portfolio (
    portfolio text PRIMARY KEY,
    recipients int NOT NULL DEFAULT 0 CHECK (recipients >= 0)
) WITH (fillfactor = 20);

-- People we began a conversation with, in the rolling day that providers count. The address as a keyed hash.
CREATE TABLE budget_recipient (
    portfolio text NOT NULL,
    address_key bytea NOT NULL,
    counted_at timestamptz NOT NULL,
    PRIMARY KEY (portfolio, address_key)
);
CREATE INDEX budget_recipient_oldest ON budget_recipient (portfolio, counted_at);

-- The token bucket of each provider, by the database's clock.
CREATE TABLE budget_rate (
    provider text PRIMARY KEY,
    tokens float8 NOT NULL,
    filled_at timestamptz NOT NULL
) WITH (fillfactor = 20);

-- Messages on their way to one address: when the next may follow, and the money put aside for them until their price is
-- known. By the database's clock; removed soon after.
CREATE TABLE budget_recent (
    provider text NOT NULL,
    address_key bytea NOT NULL,
    free_at timestamptz NOT NULL,
    pair_seconds float8 NOT NULL,
    messages int NOT NULL,
    held_millirupiah bigint NOT NULL,
    held_until timestamptz NOT NULL,
    forget_at timestamptz NOT NULL,
    PRIMARY KEY (provider, address_key)
);
CREATE INDEX budget_recent_forget ON budget_recent (provider, forget_at);
CREATE INDEX budget_recent_held ON budget_recent (provider) INCLUDE (held_millirupiah, held_until)
WHERE held_millirupiah > 0;

-- What was spent on each day in Jakarta: a row for each booking, so that none waits for another; claims add them up into
-- one when they become many.
CREATE TABLE budget_spent (
    booking_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    provider text NOT NULL,
    day date NOT NULL,
    millirupiah bigint NOT NULL,
    messages bigint NOT NULL
);
CREATE INDEX budget_spent_day ON budget_spent (provider, day);

ALTER TABLE budget_recipient SET (autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE budget_recent SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);

-- --- broadcasts

CREATE TABLE broadcast (
    broadcast_id uuid PRIMARY KEY,
    state text NOT NULL CHECK (
        state IN ('draft', 'submitted', 'running', 'paused', 'stopped', 'completed')
    ),
    -- how many events told of it (ce_sequence)
    version bigint NOT NULL DEFAULT 0,
    template text NOT NULL,
    -- pinned when it is submitted: what is approved is what is sent
    template_version text,
    params jsonb NOT NULL,
    topic text NOT NULL,
    channels text[] NOT NULL,
    -- whom: vendors who live in these areas; of a list, those of it who do
    areas text[] NOT NULL,
    by_list boolean NOT NULL,
    language text CHECK (language IN ('id', 'en')),
    not_before timestamptz,
    deadline timestamptz NOT NULL,
    drafted_by text NOT NULL,
    drafted_at timestamptz NOT NULL,
    submitted_by text,
    approved_at timestamptz,
    ended_at timestamptz,
    -- fixed when it is submitted
    recipients int NOT NULL DEFAULT 0,
    audience_sha256 text,
    forecast jsonb,
    -- how far it was when it was last looked at, and how fast
    measured_at timestamptz,
    done int NOT NULL DEFAULT 0,
    per_minute float8,
    cost_millirupiah bigint NOT NULL DEFAULT 0
);
CREATE INDEX broadcast_standing ON broadcast (broadcast_id) WHERE state IN ('running', 'paused', 'stopped');

-- The people of a list, as an officer gave it.
CREATE TABLE broadcast_listed (
    broadcast_id uuid NOT NULL REFERENCES broadcast,
    vendor_id uuid NOT NULL,
    PRIMARY KEY (broadcast_id, vendor_id)
);
CREATE INDEX broadcast_listed_vendor ON broadcast_listed (vendor_id);

-- Whom it was submitted for, each person under one id, with the channel it will most likely go by: that paces it, the
-- router decides.
CREATE TABLE broadcast_recipient (
    broadcast_id uuid NOT NULL REFERENCES broadcast,
    channel text NOT NULL,
    vendor_id uuid NOT NULL,
    PRIMARY KEY (broadcast_id, channel, vendor_id)
);
CREATE INDEX broadcast_recipient_vendor ON broadcast_recipient (vendor_id, broadcast_id);

-- Up to which recipient of each channel messages were planned, in the order of their ids.
CREATE TABLE broadcast_way (
    broadcast_id uuid NOT NULL REFERENCES broadcast,
    channel text NOT NULL,
    recipients int NOT NULL,
    expanded int NOT NULL DEFAULT 0,
    expanded_to uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    finished boolean NOT NULL DEFAULT false,
    PRIMARY KEY (broadcast_id, channel)
);

-- Who did what, when; what was written with it is sealed, bound to the act's id.
CREATE TABLE broadcast_act (
    act_id uuid PRIMARY KEY,
    broadcast_id uuid NOT NULL REFERENCES broadcast,
    act text NOT NULL,
    by text,
    at timestamptz NOT NULL,
    state text NOT NULL,
    note_sealed bytea
);
CREATE INDEX broadcast_act_of ON broadcast_act (broadcast_id, act_id);
