-- The vendor registry: who is in the programme, how they are reached, what they sell, who coaches them.

-- Product categories and coaching agencies are data of the programme (DOMAIN D3, pengampu). A code is never deleted:
-- vendors and published events carry it.
CREATE TABLE category (
    code text PRIMARY KEY,
    name_id text NOT NULL,
    name_en text NOT NULL,
    position int NOT NULL UNIQUE
);
INSERT INTO category (code, name_id, name_en, position) VALUES
    ('food-drink', 'Makanan dan minuman', 'Food and drink', 1),
    ('fashion-craft', 'Fesyen dan kriya', 'Fashion and craft', 2),
    ('meals-household', 'Makanan berat dan kebutuhan rumah tangga', 'Heavy meals and household', 3),
    ('health', 'Kesehatan', 'Health', 4);

CREATE TABLE agency (
    code text PRIMARY KEY,
    abbreviation text NOT NULL,
    name text NOT NULL
);
INSERT INTO agency (code, abbreviation, name) VALUES
    ('ppkukm', 'PPKUKM', 'Dinas Perindustrian, Perdagangan, Koperasi, Usaha Kecil dan Menengah'),
    ('ppapp', 'PPAPP', 'Dinas Pemberdayaan, Perlindungan Anak dan Pengendalian Penduduk'),
    ('kpkp', 'KPKP', 'Dinas Ketahanan Pangan, Kelautan dan Pertanian'),
    ('sosial', 'Sosial', 'Dinas Sosial'),
    ('parekraf', 'Parekraf', 'Dinas Pariwisata dan Ekonomi Kreatif'),
    ('nakertransgi', 'Nakertransgi', 'Dinas Tenaga Kerja, Transmigrasi dan Energi');

-- Personal data: the NIK is sealed (AES-256-GCM, bound to the row's id) and found only through a keyed blind index;
-- name, phone, email and street stand in plain text, because officers search by them, and in this database alone
-- (contact cards give notify its copy). No event but the contact card carries any of it.
CREATE TABLE vendor (
    vendor_id uuid PRIMARY KEY,
    version bigint NOT NULL CHECK (version >= 1),            -- of lapak.vendor.events.v1
    card_version bigint NOT NULL CHECK (card_version >= 1),  -- of lapak.vendor.contact.v1, a topic with its own sequence
    nik_index bytea NOT NULL CONSTRAINT vendor_nik_once UNIQUE,
    nik_sealed bytea NOT NULL,
    name text NOT NULL,
    phone text NOT NULL,
    email text,
    street text NOT NULL,
    kelurahan text COLLATE "C" NOT NULL,
    rw text NOT NULL,
    rt text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('pemula', 'usaha')),
    category text REFERENCES category (code),
    agency text REFERENCES agency (code),
    language text NOT NULL CHECK (language IN ('id', 'en')),
    origin text NOT NULL CHECK (origin IN ('self', 'officer', 'service', 'file')),
    registered_on date NOT NULL,
    registered_at timestamptz NOT NULL
);
CREATE INDEX vendor_by_area ON vendor (kelurahan, vendor_id);

-- One run of an import, moved forward in the transaction of each chunk: progress to watch, and where to go on after a
-- crash. `key` is the Idempotency-Key the caller sent.
CREATE TABLE import_run (
    import_id uuid PRIMARY KEY,
    caller text NOT NULL,
    key text NOT NULL,
    dry_run boolean NOT NULL,
    rows bigint NOT NULL DEFAULT 0,
    registered bigint NOT NULL DEFAULT 0,
    already bigint NOT NULL DEFAULT 0,
    rejected bigint NOT NULL DEFAULT 0,
    warnings jsonb NOT NULL DEFAULT '{}',
    stopped_at_line bigint,
    started_at timestamptz NOT NULL,
    finished_at timestamptz
);
CREATE INDEX import_run_by_key ON import_run (caller, key, import_id);

-- Rows of an import that were not taken, and why; personal values are masked before they come here.
CREATE TABLE import_rejection (
    import_id uuid NOT NULL REFERENCES import_run (import_id),
    line bigint NOT NULL,
    problems jsonb NOT NULL,
    PRIMARY KEY (import_id, line)
);
