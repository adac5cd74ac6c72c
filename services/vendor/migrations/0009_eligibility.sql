-- Suspension, and who may take part in what: rules as data, decisions with the facts they used, objections.

CREATE TABLE suspension_reason (
    code text PRIMARY KEY,
    name_id text NOT NULL,
    name_en text NOT NULL
);
INSERT INTO suspension_reason (code, name_id, name_en) VALUES
    ('no-show', 'Berulang kali tidak hadir tanpa kabar', 'Repeatedly absent without notice'),
    ('false-data', 'Data yang diberikan tidak benar', 'The data given is not true'),
    ('booth-transferred', 'Lapak dialihkan atau disewakan kepada orang lain', 'The booth was passed on or rented out'),
    ('unsafe-product', 'Produk tidak aman bagi pembeli', 'A product is not safe for buyers'),
    ('rules-broken', 'Melanggar tata tertib kegiatan', 'The rules of an event were broken'),
    ('own-request', 'Atas permintaan sendiri', 'At the vendor''s own request');

CREATE TABLE suspension (
    suspension_id uuid PRIMARY KEY,
    vendor_id uuid NOT NULL REFERENCES vendor (vendor_id),
    reason text NOT NULL REFERENCES suspension_reason (code),
    until date,                                       -- last day, Asia/Jakarta; none: until an officer ends it
    suspended_by text NOT NULL,
    suspended_at timestamptz NOT NULL,
    ended text CHECK (ended IN ('reinstated', 'expired')),
    ended_by text,
    ended_at timestamptz,
    CHECK ((ended IS NULL) = (ended_at IS NULL))
);
CREATE UNIQUE INDEX suspended_once ON suspension (vendor_id) WHERE ended IS NULL;
CREATE INDEX suspension_of_vendor ON suspension (vendor_id, suspension_id);

-- A version is never edited. In force on a day is the highest version whose effective day has come.
-- condition: see domain/eligibility.py, which is its schema.
CREATE TABLE eligibility_rule (
    name text NOT NULL,
    version int NOT NULL CHECK (version >= 1),
    effective_on date NOT NULL,
    title_id text NOT NULL,
    title_en text NOT NULL,
    condition jsonb NOT NULL,
    made_by text NOT NULL,
    made_at timestamptz NOT NULL,
    PRIMARY KEY (name, version)
);
INSERT INTO eligibility_rule (name, version, effective_on, title_id, title_en, condition, made_by, made_at) VALUES
    ('bazaar', 1, '2020-01-01', 'Bazar', 'Bazaar',
     '{"all": [{"fact": "domicile", "within": ["31"]}, {"fact": "not_suspended", "is": true}]}',
     'migration', '2020-01-01T00:00:00Z'),
    -- DOMAIN D5
    ('jbl', 1, '2020-01-01', 'Jumat Beli Lokal', 'Jumat Beli Lokal',
     '{"all": [{"fact": "trained_times", "at_least": 1}, {"fact": "domicile", "within": ["31"]},
               {"fact": "not_suspended", "is": true}]}',
     'migration', '2020-01-01T00:00:00Z'),
    ('up2k-pkk', 1, '2020-01-01', 'Bazar UP2K-PKK', 'UP2K-PKK bazaar',
     '{"all": [{"fact": "domicile", "within": ["31"]}, {"fact": "not_suspended", "is": true}]}',
     'migration', '2020-01-01T00:00:00Z'),
    ('capital-referral', 1, '2020-01-01', 'Rujukan permodalan', 'Referral for capital',
     '{"all": [{"fact": "kind", "in": ["usaha"]}, {"fact": "documents_valid", "contains": ["nib"]},
               {"fact": "not_suspended", "is": true}]}',
     'migration', '2020-01-01T00:00:00Z');

-- An erased person's decisions stay as figures: no vendor, no facts. `waives` is a person's word after an objection:
-- those conditions count as met until the last day.
CREATE TABLE eligibility_decision (
    decision_id uuid PRIMARY KEY,
    vendor_id uuid REFERENCES vendor (vendor_id),
    rule text NOT NULL,
    rule_version int NOT NULL,
    eligible boolean NOT NULL,
    failed text[] NOT NULL,
    facts jsonb,
    decided_on date NOT NULL,
    decided_at timestamptz NOT NULL,
    asked_by text NOT NULL,
    overrules uuid REFERENCES eligibility_decision (decision_id),
    waives text[] NOT NULL DEFAULT '{}',
    valid_until date,
    FOREIGN KEY (rule, rule_version) REFERENCES eligibility_rule (name, version),
    CHECK ((vendor_id IS NULL) = (facts IS NULL)),
    CHECK ((overrules IS NULL) = (valid_until IS NULL))
);
CREATE INDEX decision_of_vendor ON eligibility_decision (vendor_id, decision_id);
CREATE INDEX decision_waiver ON eligibility_decision (rule, valid_until, vendor_id) WHERE overrules IS NOT NULL;

-- UU PDP: whoever objects to an automated decision is answered by a person. `text` and `answer` may be personal data.
CREATE TABLE eligibility_objection (
    objection_id uuid PRIMARY KEY,
    decision_id uuid NOT NULL CONSTRAINT objected_once UNIQUE REFERENCES eligibility_decision (decision_id),
    vendor_id uuid NOT NULL REFERENCES vendor (vendor_id),
    text text NOT NULL,
    raised_by text NOT NULL,
    raised_at timestamptz NOT NULL,
    state text NOT NULL CHECK (state IN ('open', 'upheld', 'overruled')),
    answer text,
    answered_by text,
    answered_at timestamptz,
    manual_decision_id uuid REFERENCES eligibility_decision (decision_id)
);
CREATE INDEX objection_of_vendor ON eligibility_objection (vendor_id, objection_id);
CREATE INDEX objection_open ON eligibility_objection (objection_id) WHERE state = 'open';
