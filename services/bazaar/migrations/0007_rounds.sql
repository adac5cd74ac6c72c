-- Rounds that everyone can check: receipts, how the seed is drawn, ceremonies of officials, policies by name.

-- Receipts ----------------------------------------------------------------------------------------------------------

ALTER TABLE allocation_round
    ADD COLUMN applicants_root text,
    -- every hash of the tree over the applicants, 32 bytes each, level by level from the leaves
    ADD COLUMN applicants_tree bytea;
-- a receipt reads a dozen of its hashes and not the whole
ALTER TABLE allocation_round ALTER COLUMN applicants_tree SET STORAGE EXTERNAL;

ALTER TABLE application
    -- its entry in the frozen list, byte for byte, and the entry's place there, from 0
    ADD COLUMN entry bytea,
    ADD COLUMN entry_index int,
    -- its entry among the served of the round's result; NULL: it was not served by the round
    ADD COLUMN seat jsonb,
    ADD CONSTRAINT application_entry_has_place CHECK ((entry IS NULL) = (entry_index IS NULL));

-- The seed ----------------------------------------------------------------------------------------------------------

-- How the seed of a bazaar's round is drawn, as said before the freeze. No row: drawn in public and typed in.
CREATE TABLE seed_plan (
    bazaar_id uuid PRIMARY KEY REFERENCES bazaar (bazaar_id),
    plan jsonb NOT NULL,
    said_at timestamptz NOT NULL
);

-- Attempts of officials to draw the seed together. Failed ones stay for ever.
CREATE TABLE ceremony (
    bazaar_id uuid NOT NULL,
    round int NOT NULL,
    attempt int NOT NULL CHECK (attempt > 0),
    state text NOT NULL CHECK (state IN ('committing', 'revealing', 'drawn', 'failed')),
    officials_min int NOT NULL CHECK (officials_min >= 2),
    reveal_minutes int NOT NULL,
    opened_at timestamptz NOT NULL,
    commit_until timestamptz NOT NULL,
    closed_at timestamptz,
    reveal_until timestamptz,
    ended_at timestamptz,
    PRIMARY KEY (bazaar_id, round, attempt),
    FOREIGN KEY (bazaar_id, round) REFERENCES allocation_round (bazaar_id, round),
    CHECK ((closed_at IS NULL) = (state = 'committing') AND (closed_at IS NULL) = (reveal_until IS NULL)),
    CHECK ((ended_at IS NULL) = (state IN ('committing', 'revealing')))
);
-- one attempt at a time, and one that gave the seed
CREATE UNIQUE INDEX ceremony_not_failed ON ceremony (bazaar_id, round) WHERE state <> 'failed';

-- `subject`: whose token it was; published is the office only. `position`: the how-manieth to commit.
CREATE TABLE ceremony_part (
    bazaar_id uuid NOT NULL,
    round int NOT NULL,
    attempt int NOT NULL,
    position int NOT NULL CHECK (position BETWEEN 1 AND 12),
    subject text NOT NULL,
    office text NOT NULL,
    commitment text NOT NULL,
    committed_at timestamptz NOT NULL,
    secret text,
    revealed_at timestamptz,
    PRIMARY KEY (bazaar_id, round, attempt, position),
    FOREIGN KEY (bazaar_id, round, attempt) REFERENCES ceremony (bazaar_id, round, attempt),
    UNIQUE (bazaar_id, round, attempt, subject),
    -- in all attempts: a commitment copied from another official could only repeat that one's secret
    UNIQUE (bazaar_id, round, commitment),
    CHECK ((secret IS NULL) = (revealed_at IS NULL))
);

-- Policies ----------------------------------------------------------------------------------------------------------

-- A policy by its name. A version is never changed; `area`: whose it is, officers of which may add versions.
CREATE TABLE policy (
    code text NOT NULL,
    version int NOT NULL CHECK (version > 0),
    area text NOT NULL,
    title jsonb NOT NULL,
    description jsonb NOT NULL,
    document jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    created_by text NOT NULL,
    PRIMARY KEY (code, version)
);

-- Which policy a bazaar was set up with; what counts is what the bazaar itself holds since then.
CREATE TABLE bazaar_policy (
    bazaar_id uuid PRIMARY KEY REFERENCES bazaar (bazaar_id),
    code text NOT NULL,
    version int NOT NULL,
    FOREIGN KEY (code, version) REFERENCES policy (code, version)
);

INSERT INTO policy (code, version, area, title, description, document, created_at, created_by) VALUES
(
    'by-vendor', 1, '31',
    '{"id": "Bergilir per pelaku usaha", "en": "Vendors in turn"}',
    '{"id": "Yang paling lama menunggu didahulukan; selebihnya undian terbuka.",
      "en": "Who has waited longest comes first; between equals the public lottery."}',
    '{"policy": {"rotation": [{"by": "vendor", "measure": "waiting_since"}]}}',
    '2023-01-01T00:00:00Z', 'lapak'
),
(
    'by-rw', 1, '31',
    '{"id": "Bergilir per RW", "en": "RWs in turn"}',
    '{"id": "Setiap RW mendapat giliran sebelum ada RW yang mendapat dua kali; satu lapak per RW dalam satu bazar.",
      "en": "Every RW has its turn before any has two; one booth for each RW in a bazaar."}',
    '{"policy": {"rotation": [{"by": "rw", "measure": "turns"}, {"by": "vendor", "measure": "waiting_since"}],
                 "caps": [{"group": "rw", "seats_each": 1}]}}',
    '2023-01-01T00:00:00Z', 'lapak'
),
(
    'by-category', 1, '31',
    '{"id": "Bergilir per kelompok produk", "en": "Product groups in turn"}',
    '{"id": "Kelompok produk yang paling jarang mendapat giliran didahulukan, lalu yang paling lama menunggu.",
      "en": "The product group with the fewest turns comes first, then who has waited longest."}',
    '{"policy": {"rotation": [{"by": "category", "measure": "turns"}, {"by": "vendor", "measure": "waiting_since"}]}}',
    '2023-01-01T00:00:00Z', 'lapak'
),
(
    'agencies-share', 1, '31',
    '{"id": "Jatah per pengampu", "en": "A share for each agency"}',
    '{"id": "Lima lapak di setiap lokasi untuk binaan masing-masing pengampu; selebihnya yang paling lama menunggu.",
      "en": "Five booths at each site for the vendors of each coaching agency; else who has waited longest."}',
    '{"policy": {"rotation": [{"by": "vendor", "measure": "waiting_since"}]},
      "site_reserves": [{"group": "agency", "value": "ppkukm", "seats": 5},
                        {"group": "agency", "value": "ppapp", "seats": 5},
                        {"group": "agency", "value": "kpkp", "seats": 5},
                        {"group": "agency", "value": "sosial", "seats": 5},
                        {"group": "agency", "value": "parekraf", "seats": 5},
                        {"group": "agency", "value": "nakertransgi", "seats": 5}]}',
    '2023-01-01T00:00:00Z', 'lapak'
);
