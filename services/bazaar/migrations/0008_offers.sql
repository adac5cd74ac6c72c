-- Offers and what follows: reminders, giving a booth back, swaps of booths, days added to a site.

-- Until so many hours before the first day of its site a confirmed booth is given back at no cost.
ALTER TABLE bazaar ADD COLUMN release_hours int NOT NULL DEFAULT 48 CHECK (release_hours >= 0);

ALTER TABLE application
    -- when to remind of an open offer; NULL: never, or done
    ADD COLUMN remind_at timestamptz,
    -- until when the booth can be given back at no cost, whatever is usual: the bazaar was moved
    ADD COLUMN release_by timestamptz;
CREATE INDEX application_to_remind ON application (bazaar_id, remind_at)
    WHERE state = 'offered' AND remind_at IS NOT NULL;

-- A day that a site got after the booth there was offered: it is the vendor's on that day too, unless it declines the day.
CREATE TABLE added_day (
    application_id uuid NOT NULL REFERENCES application (application_id),
    day date NOT NULL,
    declined_at timestamptz,
    PRIMARY KEY (application_id, day)
);

-- Two confirmed vendors of a bazaar want each other's booth. `site_id` and `booth` are what each had when it was
-- proposed: a swap is of these two booths and no others. void: one of them has its booth no longer.
CREATE TABLE swap (
    swap_id uuid PRIMARY KEY,
    bazaar_id uuid NOT NULL REFERENCES bazaar (bazaar_id),
    proposer_id uuid NOT NULL REFERENCES application (application_id),
    proposer_site_id text NOT NULL,
    proposer_booth text NOT NULL,
    other_id uuid NOT NULL REFERENCES application (application_id),
    other_site_id text NOT NULL,
    other_booth text NOT NULL,
    state text NOT NULL CHECK (state IN (
        'proposed', 'accepted', 'swapped', 'declined', 'lapsed', 'withdrawn', 'not-approved', 'void'
    )),
    answer_by timestamptz NOT NULL,
    approve_by timestamptz NOT NULL,
    proposed_at timestamptz NOT NULL,
    ended_at timestamptz,
    CHECK (proposer_id <> other_id),
    CHECK ((state IN ('proposed', 'accepted')) = (ended_at IS NULL))
);
-- one open proposal at a time of each vendor, whatever the code does
CREATE UNIQUE INDEX swap_open_of_proposer ON swap (proposer_id) WHERE state IN ('proposed', 'accepted');
CREATE INDEX swap_of_proposer ON swap (proposer_id);
CREATE INDEX swap_of_other ON swap (other_id);
CREATE INDEX swap_of_bazaar ON swap (bazaar_id, swap_id);
