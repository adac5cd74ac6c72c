-- Templates as data: versions that people save beside those of releases, which one is in use, what WhatsApp approved.

ALTER TABLE template_version
    -- counted from 1 in each template; NULL: kept by an earlier release
    ADD COLUMN number int,
    -- who saved it and why; NULL: it came with a release
    ADD COLUMN saved_by text,
    ADD COLUMN saved_at timestamptz,
    ADD COLUMN reason text,
    -- of a template for broadcasts: its parameters, name -> kind
    ADD COLUMN parameters jsonb;
UPDATE template_version AS v SET number = counted.number
FROM (
    SELECT template, version, row_number() OVER (PARTITION BY template ORDER BY first_used_at, version) AS number
    FROM template_version
) AS counted
WHERE v.template = counted.template AND v.version = counted.version;

CREATE TABLE message_template (
    template text PRIMARY KEY,
    last_number int NOT NULL DEFAULT 0,
    -- the version that an operator chose; NULL: the one of the release that plans the message
    chosen_version text,
    FOREIGN KEY (template, chosen_version) REFERENCES template_version (template, version)
);
INSERT INTO message_template (template, last_number)
SELECT template, max(number) FROM template_version GROUP BY template;

-- Who chose which version, when and why; never changed.
CREATE TABLE template_activation (
    activation_id uuid PRIMARY KEY,
    template text NOT NULL,
    version text NOT NULL,
    activated_by text NOT NULL,
    activated_at timestamptz NOT NULL,
    reason text NOT NULL,
    FOREIGN KEY (template, version) REFERENCES template_version (template, version)
);
CREATE INDEX template_activation_of ON template_activation (template, activation_id);

-- The WhatsApp business account behind each of our providers, as the settings say it.
CREATE TABLE whatsapp_account (
    provider text PRIMARY KEY,
    account text NOT NULL
);

-- What became of each WhatsApp form at each account: it may be sent only once it is approved there.
CREATE TABLE whatsapp_template (
    account text NOT NULL,
    -- its name at Meta, with the hash of the form in it
    name text NOT NULL,
    language text NOT NULL,
    -- the first version it was in; NULL: the account knows it, we do not (any more)
    template text,
    version text,
    -- ours: wanted, submitting, refused; then the provider's, in lower case: pending, approved, rejected, paused ...
    status text NOT NULL,
    category text,
    reason text,
    lane smallint NOT NULL DEFAULT 2,
    tries int NOT NULL DEFAULT 0,
    -- by the database's clock: when it may be submitted (again), when it last was
    due_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    tried_at timestamptz,
    submitted_at timestamptz,
    decided_at timestamptz,
    PRIMARY KEY (account, name, language)
);
CREATE INDEX whatsapp_template_due ON whatsapp_template (account, lane, due_at)
WHERE status IN ('wanted', 'submitting');
