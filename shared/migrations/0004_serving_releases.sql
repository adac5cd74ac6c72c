-- Which types of messages each release handles that serves on this database, so that an older process does not skip for
-- good what a newer one is there to handle. The newest is the one that came last; one that is not seen any more is gone.
CREATE TABLE serving_release (
    id text PRIMARY KEY,
    handles text[] NOT NULL,
    since timestamptz NOT NULL DEFAULT now(),
    seen_at timestamptz NOT NULL DEFAULT now()
);
