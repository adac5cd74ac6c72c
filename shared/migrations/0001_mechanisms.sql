-- Tables of the shared mechanisms; every service's database carries them.

-- Events leave only through this table, written in the transaction of the state they tell of.
-- txid stands before seq so that the transaction's id exists when seq is drawn (the relay's scan hint relies on it).
CREATE TABLE outbox (
    txid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id uuid NOT NULL,
    topic text NOT NULL,
    key text NOT NULL,
    sequence bigint NOT NULL,
    type text NOT NULL,
    occurred_at timestamptz NOT NULL,
    traceparent text,
    payload bytea,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
ALTER TABLE outbox SET (
    fillfactor = 100,
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_cost_delay = 0
);

-- Where this service stands in each partition it reads; moved in the transaction of the work.
CREATE TABLE consumer_offset (
    topic text NOT NULL,
    partition int NOT NULL,
    next_offset bigint NOT NULL,
    PRIMARY KEY (topic, partition)
);

-- The last version seen of each foreign aggregate: refuses duplicates, shows gaps.
CREATE TABLE consumed_version (
    topic text NOT NULL,
    key text NOT NULL,
    sequence bigint NOT NULL,
    PRIMARY KEY (topic, key)
) WITH (fillfactor = 80);

-- Commands carry no version; their ids are kept instead.
CREATE TABLE inbox (
    message_id uuid PRIMARY KEY,
    received_at timestamptz NOT NULL
);
CREATE INDEX inbox_received_at ON inbox (received_at);

-- Records that could not be handled, and those that wait behind one of the same key. `value` is sealed.
CREATE TABLE dead_letter (
    id uuid PRIMARY KEY,
    topic text NOT NULL,
    partition int NOT NULL,
    record_offset bigint NOT NULL,
    key bytea,
    value bytea,
    headers jsonb NOT NULL,
    type text NOT NULL,
    record_time timestamptz NOT NULL,
    state text NOT NULL CHECK (state IN ('failed', 'waiting', 'replayed', 'discarded')),
    replay boolean NOT NULL DEFAULT false,
    error_kind text,
    error text,
    attempts int NOT NULL DEFAULT 0,
    traceparent text,
    created_at timestamptz NOT NULL,
    settled_at timestamptz,
    UNIQUE (topic, partition, record_offset)
);
CREATE INDEX dead_letter_open ON dead_letter (topic, key, partition, record_offset) WHERE state IN ('failed', 'waiting');

-- Keys whose records queue in dead_letter until the failed one is settled.
CREATE TABLE parked_key (
    topic text NOT NULL,
    key bytea NOT NULL,
    since timestamptz NOT NULL,
    PRIMARY KEY (topic, key)
);

-- What operators did to dead letters: who, what, when.
CREATE TABLE dead_letter_act (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    dead_letter_id uuid NOT NULL REFERENCES dead_letter (id),
    actor text NOT NULL,
    act text NOT NULL,
    note text,
    at timestamptz NOT NULL
);

-- Due moments. A claim holds the row's lock for as long as its work runs, in one transaction: the lock is the lease.
CREATE TABLE timer (
    kind text NOT NULL,
    key text NOT NULL,
    due_at timestamptz NOT NULL,
    attempts int NOT NULL DEFAULT 0,
    retry_at timestamptz,
    PRIMARY KEY (kind, key)
);
CREATE INDEX timer_due ON timer (due_at);

-- Answers to POSTs by Idempotency-Key, so that a repeated request is answered and not repeated.
CREATE TABLE idempotency_key (
    caller text NOT NULL,
    key text NOT NULL,
    method text NOT NULL,
    path text NOT NULL,
    fingerprint bytea NOT NULL,
    status int,
    body bytea,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (caller, key)
);
CREATE INDEX idempotency_key_created_at ON idempotency_key (created_at);
