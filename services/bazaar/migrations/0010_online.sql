-- Online: product groups in turn, storefronts, live slots, pre-orders, a marketplace's sales file, showcases.

-- Product groups in turn (DOMAIN D3, D4) -----------------------------------------------------------------------------

-- The groups of a series, in order. Another list counts from a turn at which the one before has gone round.
CREATE TABLE group_rotation (
    series_id uuid NOT NULL REFERENCES series (series_id),
    from_turn int NOT NULL CHECK (from_turn >= 0),
    -- [{"code", "name": {"id", "en"}, "categories": [...]}]
    groups jsonb NOT NULL CHECK (jsonb_array_length(groups) > 0),
    made_at timestamptz NOT NULL,
    PRIMARY KEY (series_id, from_turn)
);

-- The turn that an occurrence was announced with. One that is cancelled leaves its turn to the next that is announced.
CREATE TABLE group_turn (
    bazaar_id uuid PRIMARY KEY REFERENCES bazaar (bazaar_id),
    series_id uuid NOT NULL,
    turn int NOT NULL CHECK (turn >= 0),
    group_code text NOT NULL,
    fixed_at timestamptz NOT NULL
);
CREATE INDEX group_turn_of_series ON group_turn (series_id, turn);

-- Storefronts (DOMAIN A5, D2) ----------------------------------------------------------------------------------------

-- A vendor's page at a marketplace, shown for one bazaar by its wish. `shop`: the shop's name in the marketplace's
-- addresses and files; `sku_code`: with what its products' codes begin where many vendors share one shop.
CREATE TABLE storefront (
    application_id uuid PRIMARY KEY REFERENCES application (application_id) ON DELETE CASCADE,
    bazaar_id uuid NOT NULL REFERENCES bazaar (bazaar_id),
    version int NOT NULL,
    state text NOT NULL CHECK (state IN ('submitted', 'approved', 'hidden')),
    hidden_because text CHECK ((state = 'hidden') = (hidden_because IS NOT NULL)),
    marketplace text NOT NULL,
    url text NOT NULL CHECK (url LIKE 'https://%'),
    shop text NOT NULL,
    sku_code text,
    title text NOT NULL,
    highlights text[] NOT NULL,
    submitted_at timestamptz NOT NULL,
    decided_at timestamptz
);
CREATE INDEX storefront_of_bazaar ON storefront (bazaar_id, application_id);
CREATE UNIQUE INDEX storefront_of_shop ON storefront (bazaar_id, marketplace, shop) WHERE sku_code IS NULL;
CREATE UNIQUE INDEX storefront_of_sku ON storefront (bazaar_id, marketplace, shop, sku_code)
    WHERE sku_code IS NOT NULL;

-- Live selling -------------------------------------------------------------------------------------------------------

-- A channel is a site of an online bazaar, a slot one of its booths: rounds and offers know no difference.
CREATE TABLE live_channel (
    bazaar_id uuid NOT NULL,
    site_id text NOT NULL,
    title text NOT NULL,
    url text NOT NULL CHECK (url LIKE 'https://%'),
    slot_minutes int NOT NULL CHECK (slot_minutes BETWEEN 5 AND 480),
    PRIMARY KEY (bazaar_id, site_id),
    FOREIGN KEY (bazaar_id, site_id) REFERENCES site (bazaar_id, site_id)
);

CREATE TABLE live_slot (
    bazaar_id uuid NOT NULL,
    site_id text NOT NULL,
    booth text NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL CHECK (ends_at > starts_at),
    PRIMARY KEY (bazaar_id, site_id, booth),
    FOREIGN KEY (bazaar_id, site_id) REFERENCES live_channel (bazaar_id, site_id) ON DELETE CASCADE,
    FOREIGN KEY (bazaar_id, site_id, booth) REFERENCES booth (bazaar_id, site_id, number),
    UNIQUE (bazaar_id, site_id, starts_at)
);

-- Pre-orders ---------------------------------------------------------------------------------------------------------

-- What may be ordered ahead of a vendor, and how much of it was: figures only, who ordered is the marketplace's.
CREATE TABLE preorder (
    preorder_id uuid PRIMARY KEY,
    application_id uuid NOT NULL REFERENCES application (application_id) ON DELETE CASCADE,
    title text NOT NULL,
    pieces_max int NOT NULL CHECK (pieces_max > 0),
    pieces_taken int NOT NULL DEFAULT 0 CHECK (pieces_taken BETWEEN 0 AND pieces_max),
    pick_up_day date NOT NULL,
    pick_up_place text NOT NULL,
    UNIQUE (application_id, title)
);

-- Sales files of marketplaces ----------------------------------------------------------------------------------------

CREATE TABLE marketplace_import (
    import_id uuid PRIMARY KEY,
    bazaar_id uuid NOT NULL REFERENCES bazaar (bazaar_id),
    marketplace text NOT NULL,
    lines int NOT NULL,
    added int NOT NULL,
    changed int NOT NULL,
    unchanged int NOT NULL,
    rejected int NOT NULL,
    imported_at timestamptz NOT NULL
);
CREATE INDEX marketplace_import_of_bazaar ON marketplace_import (bazaar_id, import_id);

-- One line of one order, known by a hash of its order's number and its product: nothing of the buyer is kept.
CREATE TABLE order_line (
    bazaar_id uuid NOT NULL REFERENCES bazaar (bazaar_id),
    marketplace text NOT NULL,
    line_sha256 bytea NOT NULL CHECK (length(line_sha256) = 32),
    order_sha256 bytea NOT NULL CHECK (length(order_sha256) = 32),
    application_id uuid NOT NULL REFERENCES application (application_id),
    day date NOT NULL,
    counted boolean NOT NULL,
    pieces int NOT NULL CHECK (pieces > 0),
    amount_rupiah bigint NOT NULL CHECK (amount_rupiah >= 0),
    import_id uuid NOT NULL REFERENCES marketplace_import (import_id),
    PRIMARY KEY (bazaar_id, marketplace, line_sha256)
);
CREATE INDEX order_line_of_application ON order_line (application_id, day);

-- Showcases (DOMAIN A6) ----------------------------------------------------------------------------------------------

-- A place where products of an online bazaar can be looked at. Nothing is sold there and nobody has a booth, so it is
-- no site: no pool of the round, no check-in, no sales.
CREATE TABLE showcase (
    bazaar_id uuid NOT NULL REFERENCES bazaar (bazaar_id),
    showcase_id text NOT NULL,
    name text NOT NULL,
    kelurahan text NOT NULL,
    address text NOT NULL,
    days date[] NOT NULL CHECK (cardinality(days) > 0),
    opens time NOT NULL,
    closes time NOT NULL CHECK (closes > opens),
    places int NOT NULL CHECK (places > 0),
    PRIMARY KEY (bazaar_id, showcase_id)
);

CREATE TABLE showcase_place (
    bazaar_id uuid NOT NULL,
    showcase_id text NOT NULL,
    place int NOT NULL,
    application_id uuid NOT NULL REFERENCES application (application_id) ON DELETE CASCADE,
    PRIMARY KEY (bazaar_id, showcase_id, place),
    UNIQUE (bazaar_id, showcase_id, application_id),
    FOREIGN KEY (bazaar_id, showcase_id) REFERENCES showcase (bazaar_id, showcase_id)
);
