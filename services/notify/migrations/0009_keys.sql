-- Other systems: keys by which they send, addresses we tell of what became of messages; figures that outlive messages.

-- --- keys

CREATE TABLE api_key (
    key_id uuid PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('normal', 'team', 'test')),
    name text NOT NULL,
    -- what its messages are about
    topic text NOT NULL,
    -- sha256 of 32 random bytes: nothing to guess, so nothing slower is needed
    secret_sha256 bytea NOT NULL,
    per_minute int NOT NULL,
    -- token bucket, by the database's clock
    tokens float8 NOT NULL,
    filled_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    created_by text NOT NULL,
    created_at timestamptz NOT NULL,
    last_used_at timestamptz,
    revoked_by text,
    revoked_at timestamptz
) WITH (fillfactor = 50);

-- What was sent with a key, by the reference of whoever sent it.
CREATE TABLE key_message (
    key_id uuid NOT NULL REFERENCES api_key,
    reference text NOT NULL,
    notification_id uuid NOT NULL,
    -- keyed hash of what was asked for
    fingerprint bytea NOT NULL,
    PRIMARY KEY (key_id, reference)
);
CREATE INDEX key_message_reference ON key_message (reference);
CREATE INDEX key_message_notification ON key_message (notification_id);

-- Addresses of the team, which keys of kind team may write to: as blind indexes, and enough to recognise them by.
CREATE TABLE team_address (
    address_id uuid PRIMARY KEY,
    channel text NOT NULL CHECK (channel IN ('email', 'sms', 'whatsapp')),
    address_key bytea NOT NULL,
    hint text NOT NULL,
    added_by text NOT NULL,
    added_at timestamptz NOT NULL,
    UNIQUE (channel, address_key)
);

-- A guest is an address that a key wrote to and that is nobody's card: gone with the bodies of its messages.
ALTER TABLE contact DROP CONSTRAINT contact_kind_check;
ALTER TABLE contact ADD CONSTRAINT contact_kind_check CHECK (kind IN ('vendor', 'provider', 'mentor', 'guest'));
CREATE INDEX contact_guest ON contact (remembered_at) WHERE kind = 'guest';
CREATE INDEX contact_email ON contact (lower(email)) WHERE kind = 'vendor';

-- Accepted by a simulated provider, and its receipt still to come.
CREATE INDEX attempt_simulated ON attempt (began_at)
WHERE starts_with(provider, 'simulated') AND outcome = 'accepted' AND status IS NULL;

-- --- sent again

CREATE TABLE resend (
    -- the new one; what was written with it is sealed, bound to this id
    notification_id uuid PRIMARY KEY,
    by text NOT NULL,
    reason_sealed bytea,
    at timestamptz NOT NULL
);
-- each message is sent again at most once (what came of that may be sent again in its turn)
CREATE UNIQUE INDEX notification_resend ON notification (resend_of) WHERE resend_of IS NOT NULL;

-- --- retention and figures

ALTER TABLE notification
    -- when what it was made of was removed; what stays of it is a hash, by which a message told twice is known
    ADD COLUMN bodies_gone_at timestamptz,
    ADD COLUMN params_sha256 bytea,
    ADD COLUMN counted boolean NOT NULL DEFAULT false;
CREATE INDEX notification_bodies ON notification (settled_at) WHERE bodies_gone_at IS NULL AND settled_at IS NOT NULL;
CREATE INDEX notification_uncounted ON notification (settled_at) WHERE NOT counted AND settled_at IS NOT NULL;

-- Counts for ever. `about`: a message, or an attempt at one; '' where something does not apply. Days in Jakarta.
CREATE TABLE daily_figure (
    day date NOT NULL,
    about text NOT NULL CHECK (about IN ('message', 'attempt')),
    mode text NOT NULL,
    channel text NOT NULL,
    provider text NOT NULL,
    template text NOT NULL,
    lane smallint NOT NULL,
    outcome text NOT NULL,
    code text NOT NULL,
    n bigint NOT NULL,
    -- of those that have a duration: from the cause to acceptance (message), from the call to delivery (attempt)
    timed bigint NOT NULL,
    seconds float8 NOT NULL,
    -- how many took up to each of the bounds in domain/figures.py, and beyond
    histogram bigint[] NOT NULL,
    segments bigint NOT NULL,
    cost_millirupiah bigint NOT NULL,
    PRIMARY KEY (day, about, mode, channel, provider, template, lane, outcome, code)
);

-- What is counted: each settled message, and each attempt at one. `bucket`: of the histogram, where it has a duration.
CREATE VIEW figure_unit AS
SELECT u.*, width_bucket(u.seconds,
    ARRAY[0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14400, 43200, 86400]::float8[]) AS bucket
FROM (
    SELECT n.id AS notification_id, (n.planned_at AT TIME ZONE 'Asia/Jakarta')::date AS day, 'message' AS about, n.mode,
        coalesce(n.channel, '') AS channel, coalesce(n.provider, '') AS provider, n.template, n.lane,
        CASE WHEN n.read_at IS NOT NULL THEN 'read' WHEN n.delivered_at IS NOT NULL THEN 'delivered' ELSE n.state END
        AS outcome,
        CASE WHEN n.delivered_at IS NULL THEN coalesce(n.reason, '') ELSE '' END AS code,
        extract(epoch FROM n.sent_at - n.cause_at)::float8 AS seconds, 0 AS segments, 0::bigint AS cost_millirupiah
    FROM notification AS n
    UNION ALL
    SELECT n.id, (a.began_at AT TIME ZONE 'Asia/Jakarta')::date, 'attempt', n.mode, a.channel, a.provider, n.template,
        n.lane, CASE WHEN a.status = 'sent' THEN 'accepted' ELSE coalesce(a.status, a.outcome, 'under-way') END,
        CASE WHEN a.failure IS NOT NULL THEN a.failure
            WHEN a.status IN ('delivered', 'read') OR a.outcome = 'accepted' THEN '' ELSE coalesce(a.code, '') END,
        CASE WHEN a.status = 'delivered' THEN greatest(0, extract(epoch FROM a.status_at - a.began_at)::float8) END,
        coalesce(a.segments, 0), a.cost_millirupiah
    FROM attempt AS a JOIN notification AS n ON n.id = a.notification_id
) AS u;

INSERT INTO timer (kind, key, due_at) VALUES ('figures.count', '', 'epoch'), ('retention', '', 'epoch');

-- --- subscribers

CREATE TABLE subscriber (
    subscriber_id uuid PRIMARY KEY,
    name text NOT NULL,
    url text NOT NULL,
    types text[] NOT NULL,
    state text NOT NULL CHECK (state IN ('active', 'paused', 'removed')),
    -- why it is paused: a code
    paused_because text,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL,
    -- since when nothing got through, by the database's clock; NULL: it works
    failing_since timestamptz,
    last_code text,
    last_success_at timestamptz
);

CREATE TABLE subscriber_secret (
    secret_id uuid PRIMARY KEY,
    subscriber_id uuid NOT NULL REFERENCES subscriber,
    -- sealed, bound to this id
    secret_sealed bytea NOT NULL,
    created_at timestamptz NOT NULL,
    -- after a rotation: until when it signs beside the new one
    until timestamptz
);
CREATE INDEX subscriber_secret_of ON subscriber_secret (subscriber_id, secret_id);

-- Events that somebody subscribed to, as they were recorded; removed with the bodies of messages.
CREATE TABLE webhook_event (
    event_id uuid PRIMARY KEY,
    type text NOT NULL,
    subject text NOT NULL,
    sequence bigint,
    occurred_at timestamptz NOT NULL,
    traceparent text,
    payload bytea NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX webhook_event_recorded ON webhook_event (recorded_at);

CREATE TABLE webhook_delivery (
    subscriber_id uuid NOT NULL REFERENCES subscriber,
    event_id uuid NOT NULL REFERENCES webhook_event ON DELETE CASCADE,
    state text NOT NULL DEFAULT 'due' CHECK (state IN ('due', 'delivered', 'given-up')),
    tries int NOT NULL DEFAULT 0,
    -- by the database's clock: when it may be tried; a claim pushes it to the end of its lease
    due_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    claim uuid,
    code text,
    settled_at timestamptz,
    PRIMARY KEY (subscriber_id, event_id)
) WITH (fillfactor = 80);
CREATE INDEX webhook_delivery_due ON webhook_delivery (subscriber_id, due_at) WHERE state = 'due';
CREATE INDEX webhook_delivery_given_up ON webhook_delivery (subscriber_id, event_id) WHERE state = 'given-up';
CREATE INDEX webhook_delivery_event ON webhook_delivery (event_id);

-- Whatever writes an event writes what subscribers are owed in the same statement: there is no gap to fall into, and no
-- writer to forget.
CREATE FUNCTION owe_subscribers() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM subscriber WHERE state <> 'removed') THEN
        RETURN NULL;
    END IF;
    INSERT INTO webhook_event (event_id, type, subject, sequence, occurred_at, traceparent, payload)
    SELECT f.event_id, f.type, f.key, f.sequence, f.occurred_at, f.traceparent, f.payload FROM fresh AS f
    WHERE f.topic = 'lapak.notify.events.v1' AND f.payload IS NOT NULL
        AND EXISTS (SELECT FROM subscriber AS s WHERE s.state <> 'removed' AND f.type = ANY (s.types));
    INSERT INTO webhook_delivery (subscriber_id, event_id)
    SELECT s.subscriber_id, f.event_id FROM fresh AS f
    JOIN subscriber AS s ON s.state <> 'removed' AND f.type = ANY (s.types)
    WHERE f.topic = 'lapak.notify.events.v1' AND f.payload IS NOT NULL;
    RETURN NULL;
END
$$;
CREATE TRIGGER outbox_owes_subscribers AFTER INSERT ON outbox
REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION owe_subscribers();
