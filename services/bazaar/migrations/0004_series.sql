-- Series and their occurrences, who stands behind a bazaar, its links, requests of a kelurahan, calendars by secret link.

-- What is told of a bazaar ------------------------------------------------------------------------------------------

ALTER TABLE bazaar
    -- everyone behind it with a role; `organisers` stays: the names of those who organise
    ADD COLUMN partners jsonb NOT NULL DEFAULT '[]',
    -- the opening act, shared by all sites: moment, title, link
    ADD COLUMN opening jsonb,
    -- who pays: APBD of a year, a sponsor, nobody
    ADD COLUMN funding jsonb,
    -- when what residents see of it last changed; NULL: not since it was set up
    ADD COLUMN changed_at timestamptz;
UPDATE bazaar SET partners = (
    SELECT jsonb_agg(jsonb_build_object('name', named.name, 'role', 'organiser', 'agency', NULL) ORDER BY named.place)
    FROM unnest(organisers) WITH ORDINALITY AS named (name, place)
);
-- lists are of any state now, drafts too
DROP INDEX bazaar_public;
CREATE INDEX bazaar_by_first_day ON bazaar ((days[1]) DESC, bazaar_id DESC);
CREATE INDEX bazaar_by_last_day ON bazaar ((days[cardinality(days)]), bazaar_id) WHERE state <> 'draft';

CREATE TABLE bazaar_link (
    bazaar_id uuid NOT NULL REFERENCES bazaar (bazaar_id),
    position int NOT NULL,
    kind text NOT NULL CHECK (kind IN ('storefront', 'stream', 'social', 'maps', 'other')),
    title text NOT NULL,
    url text NOT NULL CHECK (url LIKE 'https://%'),
    PRIMARY KEY (bazaar_id, position)
);

-- Series ------------------------------------------------------------------------------------------------------------

-- `described`: all that an officer says of it; `version` counts its changes.
CREATE TABLE series (
    series_id uuid PRIMARY KEY,
    version bigint NOT NULL,
    name text NOT NULL,
    setting text NOT NULL CHECK (setting IN ('physical', 'online')),
    -- codes of the areas that its officers must cover
    areas text[] NOT NULL,
    described jsonb NOT NULL,
    created_at timestamptz NOT NULL
);
ALTER TABLE bazaar ADD CONSTRAINT bazaar_in_series FOREIGN KEY (series_id) REFERENCES series (series_id);

-- What a bazaar has from its series. `in_turn`: the turns it takes; a cancelled occurrence uses none of them.
-- `by_hand`: an officer has edited it, so it follows its series no longer.
CREATE TABLE occurrence (
    bazaar_id uuid PRIMARY KEY REFERENCES bazaar (bazaar_id),
    series_version bigint NOT NULL,
    in_turn text[] NOT NULL,
    by_hand boolean NOT NULL DEFAULT false
);

-- Requests of a kelurahan -------------------------------------------------------------------------------------------

-- `why` and `note` are text written by people, sealed.
CREATE TABLE bazaar_request (
    request_id uuid PRIMARY KEY,
    version bigint NOT NULL,
    state text NOT NULL CHECK (state IN ('waiting', 'approved', 'refused')),
    kelurahan text NOT NULL,
    days date[] NOT NULL CHECK (cardinality(days) > 0),
    venue text,
    venue_type text,
    venue_id uuid,
    booths int NOT NULL CHECK (booths > 0),
    reasons text[] NOT NULL,
    why_sealed bytea,
    requested_by text NOT NULL,
    requested_at timestamptz NOT NULL,
    decided_by text CHECK (decided_by <> requested_by),
    decided_at timestamptz,
    refused_because text,
    note_sealed bytea,
    bazaar_id uuid REFERENCES bazaar (bazaar_id),
    CHECK ((state = 'waiting') = (decided_at IS NULL) AND (decided_at IS NULL) = (decided_by IS NULL)),
    CHECK ((state = 'approved') = (bazaar_id IS NOT NULL)),
    CHECK ((state = 'refused') = (refused_because IS NOT NULL))
);
CREATE INDEX bazaar_request_by_kelurahan ON bazaar_request (kelurahan text_pattern_ops, request_id);

-- Calendars by secret link ------------------------------------------------------------------------------------------

-- Calendar apps send no token, so a vendor's calendar is read by a secret in its address: kept as a hash, one at a time.
CREATE TABLE calendar_link (
    link_id uuid PRIMARY KEY,
    vendor_id uuid NOT NULL,
    secret_sha256 bytea NOT NULL UNIQUE,
    made_at timestamptz NOT NULL,
    revoked_at timestamptz
);
CREATE UNIQUE INDEX calendar_link_of_vendor ON calendar_link (vendor_id) WHERE revoked_at IS NULL;
