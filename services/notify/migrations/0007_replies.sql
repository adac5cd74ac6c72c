-- What people write to us, what is done about it, and what must be known to answer it.

CREATE INDEX contact_phone ON contact (phone) WHERE kind = 'vendor';

CREATE TABLE reply (
    reply_id uuid PRIMARY KEY,
    provider text NOT NULL,
    -- the provider's id of it: each is taken once
    message_id text NOT NULL,
    channel text NOT NULL CHECK (channel IN ('email', 'sms', 'whatsapp')),
    -- blind index of channel and address; gone with the text
    address_key bytea,
    -- whose it is; NULL where the address is nobody's we know, or several people's (reply_candidate)
    vendor_id uuid,
    intent text NOT NULL CHECK (intent IN ('accept', 'decline', 'stop', 'start', 'why', 'schedule', 'other')),
    about_notification_id uuid,
    application_id uuid,
    text_sealed bytea,
    -- handled: without people; open: an officer is to answer
    state text NOT NULL CHECK (state IN ('handled', 'open', 'answered', 'closed')),
    -- we wrote something back by ourselves
    echoed boolean NOT NULL DEFAULT false,
    -- the one "an officer will answer" of the day
    told_to_wait boolean NOT NULL DEFAULT false,
    said_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    settled_at timestamptz,
    settled_by text,
    settled_because text,
    answer_sealed bytea,
    UNIQUE (provider, message_id)
);
CREATE INDEX reply_open ON reply (reply_id) WHERE state = 'open';
CREATE INDEX reply_vendor ON reply (vendor_id, reply_id) WHERE vendor_id IS NOT NULL;
CREATE INDEX reply_address ON reply (address_key, received_at) WHERE address_key IS NOT NULL;
CREATE INDEX reply_kept ON reply (received_at) WHERE text_sealed IS NOT NULL OR address_key IS NOT NULL;
CREATE INDEX reply_answers_kept ON reply (settled_at) WHERE answer_sealed IS NOT NULL;

-- Who may have written it, where several people have one phone.
CREATE TABLE reply_candidate (
    reply_id uuid NOT NULL REFERENCES reply (reply_id),
    vendor_id uuid NOT NULL,
    PRIMARY KEY (reply_id, vendor_id)
);
CREATE INDEX reply_candidate_vendor ON reply_candidate (vendor_id);

-- Until when a provider lets us write freely to an address (WhatsApp: 24 hours after the person's last message).
CREATE TABLE conversation_window (
    provider text NOT NULL,
    address_key bytea NOT NULL,
    until timestamptz NOT NULL,
    PRIMARY KEY (provider, address_key)
);
CREATE INDEX conversation_window_until ON conversation_window (until);

-- We asked a person which offer it means: the list it was shown, in order. The last question counts.
CREATE TABLE reply_question (
    vendor_id uuid PRIMARY KEY,
    answer text NOT NULL CHECK (answer IN ('accept', 'decline')),
    application_ids uuid[] NOT NULL,
    until timestamptz NOT NULL
);

-- Answers to offers that were passed on to bazaar, until it says what became of them.
CREATE TABLE offer_answer (
    command_id uuid PRIMARY KEY,
    reply_id uuid NOT NULL REFERENCES reply (reply_id),
    application_id uuid NOT NULL,
    vendor_id uuid NOT NULL,
    answer text NOT NULL CHECK (answer IN ('accept', 'decline')),
    sent_at timestamptz NOT NULL,
    -- done, superseded, or the code of the refusal
    outcome text,
    settled_at timestamptz
);
CREATE INDEX offer_answer_open ON offer_answer (application_id) WHERE outcome IS NULL;
CREATE INDEX offer_answer_vendor ON offer_answer (vendor_id);

-- Where each application stands, as bazaar's events tell: what YA, KENAPA and JADWAL are about.
CREATE TABLE application_standing (
    application_id uuid PRIMARY KEY,
    vendor_id uuid NOT NULL,
    bazaar_name text NOT NULL,
    state text NOT NULL CHECK (
        state IN ('waiting', 'offered', 'confirmed', 'declined', 'lapsed', 'released', 'cancelled', 'missed', 'over')
    ),
    site_name text,
    booth text,
    days date[] NOT NULL DEFAULT '{}',
    respond_by timestamptz,
    -- of the last round that it waited in: place, and the reason in both languages
    place int,
    explanation jsonb,
    queued_at timestamptz,
    -- the day after which nobody asks for it
    last_day date NOT NULL,
    changed_at timestamptz NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX application_standing_vendor ON application_standing (vendor_id);
CREATE INDEX application_standing_last_day ON application_standing (last_day);

-- Classes in which a person has a place.
CREATE TABLE class_standing (
    vendor_id uuid NOT NULL,
    class_id uuid NOT NULL,
    title text NOT NULL,
    days date[] NOT NULL,
    starts_at timestamptz[] NOT NULL,
    venue text,
    last_day date NOT NULL,
    PRIMARY KEY (vendor_id, class_id)
);
CREATE INDEX class_standing_last_day ON class_standing (last_day);

INSERT INTO timer (kind, key, due_at) VALUES ('forget-replies', 'hourly', 'epoch');
