-- More than one channel, more than one provider of a channel, receipts, and messages that wait for their moment.

ALTER TABLE notification DROP CONSTRAINT notification_state_check;
ALTER TABLE notification
    ADD COLUMN topic text NOT NULL DEFAULT 'programme',
    -- one's own matters that cannot be switched off as a whole (offers, deadlines, decisions)
    ADD COLUMN must boolean NOT NULL DEFAULT false,
    -- by which kind of key it was asked for: test goes the real path to a simulated provider
    ADD COLUMN mode text NOT NULL DEFAULT 'normal' CHECK (mode IN ('normal', 'team', 'test')),
    -- the provider of the attempt under way or last made
    ADD COLUMN provider text,
    -- a channel took it and gave no receipt in time, so others are tried: should they fail, it counts as sent
    ADD COLUMN silent boolean NOT NULL DEFAULT false,
    -- channels still to try after the present one, in order; NULL: not chosen yet
    ADD COLUMN route text[],
    -- deferred: the business moment before which it does not leave
    ADD COLUMN not_before timestamptz,
    ADD COLUMN delivered_at timestamptz,
    ADD COLUMN read_at timestamptz,
    ADD COLUMN broadcast_id uuid,
    -- told within this other message; its fate is that one's
    ADD COLUMN digest_id uuid,
    ADD COLUMN resend_of uuid,
    -- who asked for it: the name of a key; NULL: an event did
    ADD COLUMN asked_by text,
    ADD CONSTRAINT notification_state_check CHECK (
        state IN (
            'planned', 'waiting_contact', 'deferred', 'held', 'queued', 'retry', 'sending', 'sent', 'delivered',
            'rejected', 'unknown', 'expired', 'digested', 'cancelled'
        )
    );
-- what was queued for the one channel there was is routed anew
UPDATE notification SET state = 'planned', claim = NULL WHERE state IN ('queued', 'retry');

DROP INDEX notification_due;
-- One scan per lane finds what is due and nothing else; messages of test keys go another way. As a number: of a truth
-- value that is asked to be false PostgreSQL makes another expression, which no index answers.
CREATE INDEX notification_due ON notification (channel, ((mode = 'test')::int), lane, due_at)
WHERE state IN ('queued', 'retry');
CREATE INDEX notification_planned ON notification (lane, id) WHERE state = 'planned';
CREATE INDEX notification_deferred ON notification (not_before) WHERE state = 'deferred';
DROP INDEX notification_deadline;
CREATE INDEX notification_deadline ON notification (deadline)
WHERE state IN ('planned', 'waiting_contact', 'deferred', 'held', 'queued', 'retry');
-- unknown: due_at is when the provider is asked again; sent: when it was taken, for urgent ones that have a way left
CREATE INDEX notification_unknown ON notification (due_at) WHERE state = 'unknown';
CREATE INDEX notification_silent ON notification (channel, due_at) WHERE state = 'sent' AND lane = 0 AND route <> '{}';
CREATE INDEX notification_broadcast ON notification (broadcast_id, state) WHERE broadcast_id IS NOT NULL;
CREATE INDEX notification_digest ON notification (digest_id) WHERE digest_id IS NOT NULL;

ALTER TABLE attempt
    ADD COLUMN provider text NOT NULL DEFAULT 'smtp',
    -- the provider's own id of the message, from its answer
    ADD COLUMN message_id text,
    -- what receipts say of it; goes forward only: sent, delivered, read; failed is not undone by an earlier one
    ADD COLUMN status text CHECK (status IN ('sent', 'delivered', 'read', 'failed')),
    ADD COLUMN status_at timestamptz,
    -- why this attempt was given up after it was taken: the code of a `failed` receipt, or no-receipt
    ADD COLUMN failure text,
    -- blind index of the address it went to: to suppress it should it lead nowhere
    ADD COLUMN address_key bytea,
    -- how often the provider was asked what became of it
    ADD COLUMN asks smallint NOT NULL DEFAULT 0,
    ADD COLUMN segments smallint,
    ADD COLUMN cost_millirupiah bigint NOT NULL DEFAULT 0;
CREATE INDEX attempt_message ON attempt (provider, message_id) WHERE message_id IS NOT NULL;

-- What providers reported of an attempt, each status once.
CREATE TABLE receipt (
    attempt_id uuid NOT NULL REFERENCES attempt (id),
    status text NOT NULL,
    code text,
    at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (attempt_id, status)
);
