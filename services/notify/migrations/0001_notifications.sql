-- Notifications: who is told what because of which event, every attempt, and the copies needed to tell it.

-- How to reach a vendor: the last card of lapak.vendor.contact.v1; a tombstone removes the row.
-- The only place of this service that holds personal data.
CREATE TABLE contact (
    vendor_id uuid PRIMARY KEY,
    name text NOT NULL,
    phone text NOT NULL,
    email text,
    language text NOT NULL,
    remembered_at timestamptz NOT NULL
);

-- Names of locations (from BazaarAnnounced), so that messages name places and not ids.
CREATE TABLE site (
    bazaar_id uuid NOT NULL,
    site_id text NOT NULL,
    name text NOT NULL,
    PRIMARY KEY (bazaar_id, site_id)
);

-- Every version of a template that a notification was written with: its text per language, never changed.
CREATE TABLE template_version (
    template text NOT NULL,
    version text NOT NULL,
    sources jsonb NOT NULL,
    first_used_at timestamptz NOT NULL,
    PRIMARY KEY (template, version)
);

CREATE TABLE notification (
    id uuid PRIMARY KEY,
    event_id uuid NOT NULL,
    template text NOT NULL,
    vendor_id uuid NOT NULL,
    template_version text NOT NULL,
    params jsonb NOT NULL,
    lane smallint NOT NULL,
    state text NOT NULL CHECK (
        state IN ('waiting_contact', 'queued', 'retry', 'sending', 'sent', 'rejected', 'unknown', 'expired')
    ),
    -- how many events told of it (ce_sequence)
    version bigint NOT NULL DEFAULT 0,
    attempts int NOT NULL DEFAULT 0,
    -- the claim of the worker that holds it, and the last attempt begun
    claim uuid,
    attempt_id uuid,
    -- By the database's clock, never the business clock: when it may be taken (queued, retry: a claim pushes it to the
    -- end of its lease, so a dead worker's rows come back by themselves), or when the attempt's lease ends (sending).
    due_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    deadline timestamptz NOT NULL,
    cause_at timestamptz NOT NULL,
    planned_at timestamptz NOT NULL,
    sent_at timestamptz,
    settled_at timestamptz,
    channel text,
    language text,
    reason text,
    traceparent text,
    -- the promise: one message per cause, template and recipient
    UNIQUE (event_id, template, vendor_id),
    FOREIGN KEY (template, template_version) REFERENCES template_version (template, version)
) WITH (fillfactor = 70);

CREATE INDEX notification_due ON notification (lane, due_at) WHERE state IN ('queued', 'retry');
CREATE INDEX notification_sending ON notification (due_at) WHERE state = 'sending';
CREATE INDEX notification_waiting ON notification (vendor_id) WHERE state = 'waiting_contact';
CREATE INDEX notification_deadline ON notification (deadline) WHERE state IN ('waiting_contact', 'queued', 'retry');
CREATE INDEX notification_vendor ON notification (vendor_id, id);
CREATE INDEX notification_trouble ON notification (state, id) WHERE state IN ('unknown', 'rejected', 'expired');

-- Rows change state a few times and then rest: keep the dead ones from piling up during a broadcast.
ALTER TABLE notification SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);

-- Written before the provider is called; the outcome after. `code` is the provider's code, never its text.
CREATE TABLE attempt (
    id uuid PRIMARY KEY,
    notification_id uuid NOT NULL REFERENCES notification (id),
    number int NOT NULL,
    channel text NOT NULL,
    began_at timestamptz NOT NULL,
    ended_at timestamptz,
    outcome text CHECK (outcome IN ('accepted', 'rejected', 'deferred', 'ambiguous', 'lost')),
    code text,
    -- who settled it by hand, and why
    note text
) WITH (fillfactor = 80);
CREATE INDEX attempt_notification ON attempt (notification_id);
