-- Templates that are paused: nothing of them leaves until somebody resumes them.

CREATE TABLE template_standing (
    template text PRIMARY KEY,
    paused boolean NOT NULL,
    -- how many events told of it (ce_sequence)
    version bigint NOT NULL DEFAULT 0
);
CREATE INDEX template_standing_paused ON template_standing (template) WHERE paused;

-- Who paused and resumed a template, when and why (a code); never changed.
CREATE TABLE template_pause (
    pause_id uuid PRIMARY KEY,
    template text NOT NULL,
    paused boolean NOT NULL,
    actor text NOT NULL,
    reason text NOT NULL,
    at timestamptz NOT NULL,
    -- how many messages were held, or went on
    messages int NOT NULL
);
CREATE INDEX template_pause_of ON template_pause (template, pause_id);
