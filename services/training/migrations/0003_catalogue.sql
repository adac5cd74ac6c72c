-- The catalogue: who gives what, what can be learnt, and what people ask for (DOMAIN B1, B4, B5).

-- Fields of competence of courses, providers and mentors. Data: officers of the province add to them.
CREATE TABLE course_field (
    field text COLLATE "C" PRIMARY KEY,
    name_id text NOT NULL,
    name_en text NOT NULL
);

CREATE TABLE provider (
    provider_id uuid PRIMARY KEY,
    name text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('university', 'chamber', 'agency', 'company', 'community')),
    fields text[] NOT NULL CHECK (cardinality(fields) > 0),
    area text COLLATE "C" NOT NULL,
    -- the partner in the registry whose agreement covers it; agencies of the province need none
    partner_id uuid,
    -- the last day on which an agreement of that partner touches its area, as it was last told
    valid_until date,
    -- `sub` of the tokens of its people; they see what is asked of it
    account text UNIQUE,
    -- phone and e-mail as JSON, sealed: behind an organisation's address may stand a person's
    contact_sealed bytea,
    language text NOT NULL DEFAULT 'id' CHECK (language IN ('id', 'en')),
    state text NOT NULL CHECK (state IN ('listed', 'withdrawn')),
    version bigint NOT NULL,
    -- of lapak.training.contact.v1, a topic with its own sequence
    card_version bigint NOT NULL DEFAULT 0,
    listed_at timestamptz NOT NULL,
    CHECK (kind = 'agency' OR partner_id IS NOT NULL)
);
CREATE INDEX provider_partner ON provider (partner_id) WHERE partner_id IS NOT NULL;

CREATE TABLE course (
    course text COLLATE "C" PRIMARY KEY,
    name_id text NOT NULL,
    name_en text NOT NULL,
    level text NOT NULL CHECK (level IN ('basic', 'advanced')),
    field text COLLATE "C" NOT NULL REFERENCES course_field (field),
    sessions int NOT NULL CHECK (sessions > 0),
    prerequisites text[] NOT NULL DEFAULT '{}',
    -- so many people of an area who ask for it make a class
    requests_needed int NOT NULL DEFAULT 20 CHECK (requests_needed > 0),
    state text NOT NULL CHECK (state IN ('listed', 'withdrawn')),
    -- 0: of the first catalogue below, and not told yet
    version bigint NOT NULL,
    listed_at timestamptz NOT NULL
);

-- Agreements of partners, as the registry tells of them: a provider that rests on a partner gives classes where and
-- while one holds.
CREATE TABLE partner_agreement (
    agreement_id uuid PRIMARY KEY,
    partner_id uuid NOT NULL,
    code text,
    name text NOT NULL,
    kind text NOT NULL,
    area text COLLATE "C" NOT NULL,
    valid_from date NOT NULL,
    valid_until date NOT NULL,
    topics text[],
    -- ran out: its last day; ended early: the first day on which it holds no longer
    ended_on date,
    lapsed boolean,
    CHECK ((ended_on IS NULL) = (lapsed IS NULL))
);
CREATE INDEX partner_agreement_partner ON partner_agreement (partner_id);

-- What people asked for. Where requests are counted together follows from where the vendor lives and the level.
CREATE TABLE course_request (
    request_id uuid PRIMARY KEY,
    vendor_id uuid NOT NULL REFERENCES trainee (vendor_id),
    course text COLLATE "C" NOT NULL REFERENCES course (course),
    -- waiting: counts towards a class; drafted: towards the one that is prepared (class_id); invited: to that class;
    -- done: has a place in a class of the course or completed it; the others came to nothing
    state text NOT NULL
        CHECK (state IN ('waiting', 'drafted', 'invited', 'done', 'taken-back', 'expired', 'course-withdrawn')),
    class_id uuid REFERENCES training_class (class_id),
    requested_at timestamptz NOT NULL,
    settled_at timestamptz,
    CHECK (state NOT IN ('drafted', 'invited') OR class_id IS NOT NULL),
    CHECK (state <> 'waiting' OR class_id IS NULL)
);
CREATE INDEX course_request_vendor ON course_request (vendor_id);
CREATE INDEX course_request_class ON course_request (class_id) WHERE class_id IS NOT NULL;
CREATE INDEX course_request_waiting ON course_request (course, requested_at, request_id) WHERE state = 'waiting';
-- a person with several ids is held to one by the lock under which requests are made
CREATE UNIQUE INDEX course_request_open ON course_request (vendor_id, course) WHERE state IN ('waiting', 'drafted');

INSERT INTO course_field (field, name_id, name_en) VALUES
    ('bookkeeping', 'Pembukuan dan keuangan', 'Bookkeeping and finance'),
    ('digital-marketing', 'Pemasaran digital', 'Digital marketing'),
    ('entrepreneurship', 'Kewirausahaan', 'Entrepreneurship'),
    ('export', 'Ekspor', 'Export'),
    ('kriya', 'Kriya dan fesyen', 'Crafts and fashion'),
    ('kuliner', 'Kuliner', 'Food and drink'),
    ('licensing', 'Perizinan dan sertifikasi', 'Licences and certificates');

INSERT INTO course (course, name_id, name_en, level, field, sessions, prerequisites, state, version, listed_at) VALUES
    ('dasar-kewirausahaan', 'Dasar Kewirausahaan', 'Basics of entrepreneurship',
        'basic', 'entrepreneurship', 2, '{}', 'listed', 0, now()),
    ('rencana-usaha', 'Menyusun Rencana Usaha', 'Writing a business plan',
        'advanced', 'entrepreneurship', 4, '{dasar-kewirausahaan}', 'listed', 0, now()),
    ('olahan-pangan', 'Olahan Pangan yang Aman', 'Safe food processing',
        'basic', 'kuliner', 3, '{}', 'listed', 0, now()),
    ('kemasan-pangan', 'Kemasan dan Masa Simpan Pangan', 'Food packaging and shelf life',
        'advanced', 'kuliner', 3, '{olahan-pangan}', 'listed', 0, now()),
    ('kriya-dasar', 'Kriya Dasar', 'Basic crafts',
        'basic', 'kriya', 3, '{}', 'listed', 0, now()),
    ('desain-kriya', 'Desain Produk Kriya dan Fesyen', 'Design of crafts and fashion',
        'advanced', 'kriya', 4, '{kriya-dasar}', 'listed', 0, now()),
    ('pemasaran-digital-dasar', 'Pemasaran Digital Dasar', 'Basics of digital marketing',
        'basic', 'digital-marketing', 2, '{}', 'listed', 0, now()),
    ('pemasaran-digital-lanjutan', 'Pemasaran Digital Lanjutan', 'Advanced digital marketing',
        'advanced', 'digital-marketing', 4, '{pemasaran-digital-dasar}', 'listed', 0, now()),
    ('pembukuan-dasar', 'Pembukuan Sederhana', 'Simple bookkeeping',
        'basic', 'bookkeeping', 2, '{}', 'listed', 0, now()),
    ('laporan-keuangan', 'Laporan Keuangan dan Pajak', 'Financial reports and tax',
        'advanced', 'bookkeeping', 4, '{pembukuan-dasar}', 'listed', 0, now()),
    ('perizinan-dasar', 'NIB dan P-IRT', 'Business number and home-industry permit',
        'basic', 'licensing', 2, '{}', 'listed', 0, now()),
    ('sertifikasi-halal', 'Sertifikasi Halal', 'Halal certification',
        'advanced', 'licensing', 2, '{perizinan-dasar}', 'listed', 0, now()),
    ('ekspor-dasar', 'Ekspor Dasar', 'Basics of export',
        'advanced', 'export', 3, '{dasar-kewirausahaan}', 'listed', 0, now()),
    ('ekspor-lanjutan', 'Dokumen dan Pembayaran Ekspor', 'Export documents and payment',
        'advanced', 'export', 4, '{ekspor-dasar}', 'listed', 0, now());

-- Due whatever the clock shows: the first catalogue is told once, and requests are looked through every day.
INSERT INTO timer (kind, key, due_at) VALUES
    ('tell-catalogue', 'first', '2000-01-01T00:00:00Z'),
    ('expire-course-requests', 'daily', '2000-01-01T00:00:00Z');
