-- What vendors sell, how curators scored it, and the figures of their businesses by month (P6).

CREATE TABLE product (
    product_id uuid PRIMARY KEY,
    vendor_id uuid NOT NULL REFERENCES vendor (vendor_id),
    state text NOT NULL CHECK (state IN ('draft', 'listed', 'withdrawn')),
    name text NOT NULL,
    description text NOT NULL,
    category text NOT NULL REFERENCES category (code),
    price_min_rupiah bigint NOT NULL CHECK (price_min_rupiah >= 0),
    price_max_rupiah bigint NOT NULL CHECK (price_max_rupiah >= price_min_rupiah),
    unit text NOT NULL,
    capacity_per_month int CHECK (capacity_per_month >= 0),
    score smallint CHECK (score BETWEEN 0 AND 100),   -- of the latest curation
    criteria_version int,
    drafted_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL
);
CREATE INDEX product_of_vendor ON product (vendor_id, product_id);
CREATE INDEX product_listed ON product (product_id) WHERE state = 'listed';
CREATE INDEX product_listed_by_category ON product (category, product_id) WHERE state = 'listed';

-- Photos are shown to everyone once the product is listed.
CREATE TABLE product_photo (
    photo_id uuid PRIMARY KEY,
    product_id uuid NOT NULL REFERENCES product (product_id) ON DELETE CASCADE,
    file_id uuid NOT NULL UNIQUE REFERENCES stored_file (file_id),
    added_at timestamptz NOT NULL
);
CREATE INDEX photo_of_product ON product_photo (product_id, photo_id);

-- Criteria of curation are data with versions; one that was published is never edited, a score names its version.
-- criteria: [{"code", "name_id", "name_en", "advice_id", "advice_en", "weight"}], weights sum to 100.
CREATE TABLE curation_criteria (
    version int PRIMARY KEY CHECK (version >= 1),
    criteria jsonb NOT NULL,
    made_by text NOT NULL,
    made_at timestamptz NOT NULL
);
INSERT INTO curation_criteria (version, criteria, made_by, made_at) VALUES (1, '[
    {"code": "quality", "name_id": "Rasa dan mutu", "name_en": "Taste and quality", "weight": 30,
     "advice_id": "Samakan takaran dan cara pembuatan setiap kali, dan minta pendapat pembeli.",
     "advice_en": "Measure and make it the same way each time, and ask buyers what they think."},
    {"code": "packaging", "name_id": "Kemasan", "name_en": "Packaging", "weight": 20,
     "advice_id": "Pakai kemasan yang bersih, rapat dan tidak mudah rusak di perjalanan.",
     "advice_en": "Use clean, tight packaging that survives transport."},
    {"code": "labelling", "name_id": "Label", "name_en": "Labelling", "weight": 20,
     "advice_id": "Cantumkan nama produk, isi, bahan, tanggal kedaluwarsa dan nomor izin yang dimiliki.",
     "advice_en": "State the product, contents, ingredients, best-before date and the permits it has."},
    {"code": "price", "name_id": "Harga", "name_en": "Price", "weight": 15,
     "advice_id": "Hitung biaya per satuan, lalu bandingkan dengan harga produk sejenis.",
     "advice_en": "Work out the cost per unit, then compare with similar products."},
    {"code": "capacity", "name_id": "Kapasitas produksi", "name_en": "Production capacity", "weight": 15,
     "advice_id": "Catat berapa yang sanggup dibuat tiap bulan, dan siapkan bantuan untuk pesanan besar.",
     "advice_en": "Note how much can be made each month, and line up help for large orders."}
]', 'migration', '2023-01-01T00:00:00Z');

CREATE TABLE curation (
    curation_id uuid PRIMARY KEY,
    product_id uuid NOT NULL REFERENCES product (product_id) ON DELETE CASCADE,
    criteria_version int NOT NULL REFERENCES curation_criteria (version),
    scores jsonb NOT NULL,                            -- criterion -> 0..10
    total smallint NOT NULL CHECK (total BETWEEN 0 AND 100),
    curated_by text NOT NULL,
    curated_at timestamptz NOT NULL
);
CREATE INDEX curation_of_product ON curation (product_id, curation_id);

-- Turnover, assets and workers of a month. A correction is a new row; the one without `replaced_at` counts.
CREATE TABLE indicator_report (
    report_id uuid PRIMARY KEY,
    vendor_id uuid NOT NULL REFERENCES vendor (vendor_id),
    month date NOT NULL CHECK (extract(day FROM month) = 1),
    turnover_rupiah bigint CHECK (turnover_rupiah >= 0),
    assets_rupiah bigint CHECK (assets_rupiah >= 0),
    workers int CHECK (workers >= 0),
    entered_by text NOT NULL CHECK (entered_by IN ('vendor', 'mentor', 'officer')),
    entered_subject text NOT NULL,
    entered_at timestamptz NOT NULL,
    queries jsonb NOT NULL,                           -- [{"measure", "code", "usual"}]: what looked odd
    query_state text CHECK (query_state IN ('open', 'confirmed', 'corrected')),
    answered_by text,
    answered_at timestamptz,
    replaced_at timestamptz
);
CREATE UNIQUE INDEX indicator_counts_once ON indicator_report (vendor_id, month) WHERE replaced_at IS NULL;
CREATE INDEX indicator_history ON indicator_report (vendor_id, month, report_id);
CREATE INDEX indicator_by_month ON indicator_report (month) WHERE replaced_at IS NULL;
CREATE INDEX indicator_queried ON indicator_report (report_id) WHERE query_state = 'open' AND replaced_at IS NULL;

-- What stays of an erased person's figures: no id, nothing that ties one month to another.
CREATE TABLE indicator_anonymous (
    month date NOT NULL,
    kelurahan text COLLATE "C" NOT NULL,
    category text,
    turnover_rupiah bigint,
    assets_rupiah bigint,
    workers int
);
CREATE INDEX indicator_anonymous_by_month ON indicator_anonymous (month, kelurahan);
