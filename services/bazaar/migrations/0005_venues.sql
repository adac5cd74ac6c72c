-- Venues with their photos and floor plans, what a stand has and where it is, and how the numbers of a round were given.

-- Files outside the database: pictures of venues, which everyone may see (not sealed) ---------------------------------

CREATE TABLE stored_file (
    file_id uuid PRIMARY KEY,
    media_type text NOT NULL,
    -- as it came
    bytes bigint NOT NULL,
    -- the key that seals it; NULL: a public picture
    sealed_with text,
    stored_at timestamptz NOT NULL,
    -- whether a row refers to it; if not, a timer removes it
    kept boolean NOT NULL DEFAULT false
);

-- Venues --------------------------------------------------------------------------------------------------------------

CREATE TABLE venue (
    venue_id uuid PRIMARY KEY,
    version bigint NOT NULL,
    kind text NOT NULL,
    name text NOT NULL,
    kelurahan text NOT NULL,
    address text,
    -- how many booths for vendors it holds at most
    capacity int NOT NULL CHECK (capacity > 0),
    latitude double precision,
    longitude double precision,
    facilities text[] NOT NULL,
    -- of the plan that holds now, 0: there is none
    plan int NOT NULL DEFAULT 0,
    retired_at timestamptz,
    created_at timestamptz NOT NULL,
    CHECK ((latitude IS NULL) = (longitude IS NULL))
);
CREATE INDEX venue_by_area ON venue (kelurahan text_pattern_ops, venue_id);

CREATE TABLE venue_photo (
    file_id uuid PRIMARY KEY REFERENCES stored_file (file_id),
    venue_id uuid NOT NULL REFERENCES venue (venue_id),
    added_at timestamptz NOT NULL
);
CREATE INDEX venue_photo_of_venue ON venue_photo (venue_id, file_id);

-- A plan is never changed: the next one has the next number, and bazaars keep the one they were set up with.
CREATE TABLE floor_plan (
    venue_id uuid NOT NULL REFERENCES venue (venue_id),
    plan int NOT NULL CHECK (plan > 0),
    document jsonb NOT NULL,
    made_at timestamptz NOT NULL,
    PRIMARY KEY (venue_id, plan)
);

-- The plan of its venue by which the stands of a site are set up; NULL: none, they stand in the order of numbers.
ALTER TABLE site
    ADD COLUMN plan int,
    ADD CONSTRAINT site_plan FOREIGN KEY (venue_id, plan) REFERENCES floor_plan (venue_id, plan),
    ADD CONSTRAINT site_plan_of_venue CHECK (plan IS NULL OR venue_id IS NOT NULL);

-- What the plan says of each stand. Of one without a plan nothing is known: it has nothing that a vendor may need.
ALTER TABLE booth
    ADD COLUMN zone text,
    ADD COLUMN power boolean NOT NULL DEFAULT false,
    -- a way in without steps
    ADD COLUMN access boolean NOT NULL DEFAULT false,
    ADD COLUMN water boolean NOT NULL DEFAULT false,
    ADD COLUMN corner boolean NOT NULL DEFAULT false,
    ADD COLUMN spot text NOT NULL DEFAULT 'normal' CHECK (spot IN ('good', 'normal', 'bad')),
    -- centre and size in metres, and by how many degrees it is turned
    ADD COLUMN x double precision,
    ADD COLUMN y double precision,
    ADD COLUMN width double precision,
    ADD COLUMN depth double precision,
    ADD COLUMN rotation double precision NOT NULL DEFAULT 0;

-- How the numbers of a round were given: per site what was looked at and what came of it. Applications only, by id.
CREATE TABLE numbering (
    bazaar_id uuid NOT NULL,
    round int NOT NULL,
    site_id text NOT NULL,
    input jsonb NOT NULL,
    result jsonb NOT NULL,
    numbered_at timestamptz NOT NULL,
    PRIMARY KEY (bazaar_id, round, site_id),
    FOREIGN KEY (bazaar_id, round) REFERENCES allocation_round (bazaar_id, round),
    FOREIGN KEY (bazaar_id, site_id) REFERENCES site (bazaar_id, site_id)
);
