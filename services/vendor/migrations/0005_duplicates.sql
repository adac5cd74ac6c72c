-- Registrations that are likely the same person, and merges of two into one, which can be undone.

-- The transaction that last gave a vendor one of the facts by which people are compared. Whatever transaction began
-- before all that still run has been seen by everybody, so the walk that looks for duplicates leaves nobody out, in
-- whichever order registrations commit. An insert sets it by itself; the trigger looks at updates alone, so that an
-- import pays for one column and one index that grows at its end.
ALTER TABLE vendor ADD COLUMN facts_xid bigint NOT NULL DEFAULT (pg_current_xact_id()::text::bigint);
CREATE FUNCTION vendor_facts_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.facts_xid := pg_current_xact_id()::text::bigint;
    RETURN NEW;
END $$;
CREATE TRIGGER vendor_facts_changed BEFORE UPDATE ON vendor FOR EACH ROW
    WHEN ((OLD.name, OLD.phone, OLD.born_on, OLD.street, OLD.kelurahan, OLD.rw, OLD.rt, OLD.merged_into)
        IS DISTINCT FROM
          (NEW.name, NEW.phone, NEW.born_on, NEW.street, NEW.kelurahan, NEW.rw, NEW.rt, NEW.merged_into))
    EXECUTE FUNCTION vendor_facts_changed();
CREATE INDEX vendor_to_compare ON vendor (facts_xid, vendor_id);

-- Who is compared with whom: people of one phone (found by the index of searches), one date of birth, one RT.
CREATE INDEX vendor_by_birth ON vendor (born_on) WHERE born_on IS NOT NULL;
CREATE INDEX vendor_by_rt ON vendor (kelurahan, rw, rt);

-- How far the walk has come: everybody up to this transaction and, in it, this vendor was compared.
CREATE TABLE duplicate_walk (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    facts_xid bigint NOT NULL,
    vendor_id uuid NOT NULL
);
INSERT INTO duplicate_walk (facts_xid, vendor_id) VALUES (0, '00000000-0000-0000-0000-000000000000');
INSERT INTO timer (kind, key, due_at) VALUES ('find-duplicates', 'all', 'epoch') ON CONFLICT DO NOTHING;

-- One row for each pair that is likely one person. `evidence` names facts and points, never a value; `facts` is a keyed
-- hash over what was compared: a pair once dismissed comes back only when that has changed.
CREATE TABLE duplicate (
    duplicate_id uuid PRIMARY KEY,
    one uuid NOT NULL REFERENCES vendor (vendor_id),
    other uuid NOT NULL REFERENCES vendor (vendor_id),
    score smallint NOT NULL CHECK (score BETWEEN 0 AND 100),
    evidence jsonb NOT NULL,
    facts bytea NOT NULL,
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'dismissed', 'merged')),
    reason text,
    found_at timestamptz NOT NULL,
    decided_at timestamptz,
    decided_by text,
    CONSTRAINT duplicate_ordered CHECK (one < other),
    CONSTRAINT duplicate_once UNIQUE (one, other)
);
CREATE INDEX duplicate_queue ON duplicate (state, score DESC, duplicate_id);
CREATE INDEX duplicate_of_other ON duplicate (other);

-- A registration retired into another. `sealed` holds what undoing needs (the values taken over and those they replaced,
-- how the retired one was reached): personal data, bound to the merge's id, gone once the person is erased.
CREATE TABLE merge (
    merge_id uuid PRIMARY KEY,
    seq bigint GENERATED ALWAYS AS IDENTITY UNIQUE,  -- in the order of the merges into one registration
    survivor uuid NOT NULL REFERENCES vendor (vendor_id),
    retired uuid NOT NULL REFERENCES vendor (vendor_id),
    taken text[] NOT NULL,
    sealed bytea,
    merged_at timestamptz NOT NULL,
    merged_by text NOT NULL,
    undone_at timestamptz,
    undone_by text,
    reason text,
    kept text[],
    CONSTRAINT merge_of_two CHECK (survivor <> retired),
    CONSTRAINT merge_undone CHECK (num_nulls(undone_at, undone_by, reason, kept) IN (0, 4))
);
CREATE UNIQUE INDEX merge_once ON merge (retired) WHERE undone_at IS NULL;
CREATE INDEX merge_of_survivor ON merge (survivor, seq);
CREATE INDEX merge_of_retired ON merge (retired, seq);
