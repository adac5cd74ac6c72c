-- How providers are, shared by all replicas; what they reported of messages nobody knows (yet).

CREATE TABLE provider_health (
    provider text PRIMARY KEY,
    channel text NOT NULL,
    -- of its weight among the providers of its channel: lowered at once when it fails, raised in steps as it succeeds
    share_percent smallint NOT NULL DEFAULT 100,
    -- By the database's clock, as all of the next four. Nothing leaves through it before that moment.
    opened_until timestamptz NOT NULL DEFAULT '-infinity',
    lowered_at timestamptz NOT NULL DEFAULT '-infinity',
    raised_at timestamptz NOT NULL DEFAULT '-infinity',
    -- since when nothing got through; NULL: it works
    down_since timestamptz,
    -- until somebody resumes it
    paused boolean NOT NULL DEFAULT false,
    -- why it is paused or was last found failing
    code text,
    -- how many events told of it (ce_sequence)
    version bigint NOT NULL DEFAULT 0,
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Who paused and resumed a provider, when and why.
CREATE TABLE provider_pause (
    id uuid PRIMARY KEY,
    provider text NOT NULL,
    paused boolean NOT NULL,
    actor text NOT NULL,
    code text,
    at timestamptz NOT NULL
);
CREATE INDEX provider_pause_of ON provider_pause (provider, id);

-- Receipts that name no attempt of that provider: kept, listed, and applied should the attempt's id turn up in a day.
CREATE TABLE stray_receipt (
    id uuid PRIMARY KEY,
    provider text NOT NULL,
    reference uuid,
    message_id text,
    status text NOT NULL,
    code text,
    kind text,
    cost_millirupiah bigint,
    at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    -- by the database's clock
    kept_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    due_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    looks smallint NOT NULL DEFAULT 0,
    UNIQUE NULLS NOT DISTINCT (provider, reference, message_id, status)
);
CREATE INDEX stray_receipt_due ON stray_receipt (due_at);
