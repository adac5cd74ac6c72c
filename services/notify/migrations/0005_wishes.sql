-- Who wants what, and when: wishes by topic and channel, consent to news, addresses that are not written to, digests.

ALTER TABLE notification
    -- it may wait for the day's digest
    ADD COLUMN digest boolean NOT NULL DEFAULT false;

-- What a person said, under the id it said it with; what was never said is wanted. Of several ids of one person the last
-- word counts, topic by topic.
CREATE TABLE wish (
    vendor_id uuid NOT NULL,
    topic text NOT NULL,
    channel text NOT NULL,
    wanted boolean NOT NULL,
    said_at timestamptz NOT NULL,
    -- the person, an officer on its behalf, a link, a reply
    said_by text NOT NULL,
    PRIMARY KEY (vendor_id, topic, channel)
);

-- How a person wants to be reached: each with the moment it was said; NULL was never said, or was taken back.
CREATE TABLE preference (
    vendor_id uuid PRIMARY KEY,
    -- counts the events on this id's wishes (ce_sequence)
    version bigint NOT NULL DEFAULT 0,
    channels text[],
    channels_said_at timestamptz,
    language text CHECK (language IN ('id', 'en')),
    language_said_at timestamptz,
    digest text CHECK (digest IN ('off', 'daily', 'weekly')),
    digest_said_at timestamptz
);

-- Who changed a person's wishes, when, and why if it was an officer.
CREATE TABLE wish_change (
    change_id uuid PRIMARY KEY,
    vendor_id uuid NOT NULL,
    by text NOT NULL,
    actor text,
    reason text,
    at timestamptz NOT NULL
);
CREATE INDEX wish_change_of_vendor ON wish_change (vendor_id, change_id);

-- The registry's last word on consent to news that is no notice about one's own matters. None: no consent.
CREATE TABLE news_consent (
    vendor_id uuid PRIMARY KEY,
    given boolean NOT NULL,
    said_at timestamptz NOT NULL,
    registry_version bigint NOT NULL
);

-- Addresses that are not written to, as blind indexes of channel and address: they outlive the person's erasure, and
-- name nobody to who has not the key.
CREATE TABLE suppression (
    suppression_id uuid PRIMARY KEY,
    channel text NOT NULL CHECK (channel IN ('email', 'sms', 'whatsapp')),
    address_key bytea NOT NULL,
    reason text NOT NULL CHECK (reason IN ('bounced', 'complained', 'unreachable', 'stopped', 'invalid')),
    since timestamptz NOT NULL,
    -- NULL: until it is lifted
    until timestamptz,
    -- how often it was found so
    times int NOT NULL DEFAULT 1,
    -- what it rests on: ids and codes (an attempt and the provider's code), or who noted it by hand
    evidence text NOT NULL,
    lifted_at timestamptz,
    lifted_by text,
    lifted_because text
);
CREATE UNIQUE INDEX suppression_standing ON suppression (channel, address_key, reason) WHERE lifted_at IS NULL;
CREATE INDEX suppression_address ON suppression (address_key);

-- One per person and moment: however many make digests, the second finds the first.
CREATE TABLE digest (
    digest_id uuid PRIMARY KEY,
    person_id uuid NOT NULL,
    moment timestamptz NOT NULL,
    UNIQUE (person_id, moment)
);
