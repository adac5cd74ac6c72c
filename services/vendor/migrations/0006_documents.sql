-- Files, and the documents of vendors they belong to.

-- A file lies in a folder or a bucket, under its id; here is what is known of it. Whoever refers to a file keeps it
-- (`kept`) in the transaction that writes the reference. One that nobody keeps has a timer (`remove-file`) that removes
-- it, so an upload that was broken off and a document that was erased go the same way.
CREATE TABLE stored_file (
    file_id uuid PRIMARY KEY,
    media_type text NOT NULL,
    bytes int NOT NULL CHECK (bytes > 0),     -- as it came, before sealing
    sealed_with text,                         -- id of the secret key; NULL: a public picture, not sealed
    stored_at timestamptz NOT NULL,
    kept boolean NOT NULL DEFAULT false
);
CREATE INDEX stored_file_by_key ON stored_file (sealed_with, file_id) WHERE sealed_with IS NOT NULL;

-- Why a document is rejected or returned: data of the programme. A code is never deleted: documents and published
-- events carry it. One that officers may use for neither is given by the registry itself.
CREATE TABLE document_reason (
    code text PRIMARY KEY,
    rejects boolean NOT NULL,
    returns boolean NOT NULL,
    name_id text NOT NULL,
    name_en text NOT NULL,
    position int NOT NULL UNIQUE
);
INSERT INTO document_reason (code, rejects, returns, name_id, name_en, position) VALUES
    ('unreadable', false, true, 'Berkas tidak terbaca', 'The file cannot be read', 1),
    ('incomplete', false, true, 'Halaman tidak lengkap', 'Pages are missing', 2),
    ('number-differs', true, true, 'Nomor berbeda dengan berkas', 'The number differs from the file', 3),
    ('dates-differ', true, true, 'Tanggal berbeda dengan berkas', 'The dates differ from the file', 4),
    ('wrong-kind', true, true, 'Jenis dokumen tidak sesuai', 'Another kind of document', 5),
    ('wrong-person', true, false, 'Dokumen milik orang lain', 'The document belongs to somebody else', 6),
    ('wrong-business', true, false, 'Dokumen milik usaha lain', 'The document belongs to another business', 7),
    ('expired', true, false, 'Masa berlaku sudah habis', 'It is valid no longer', 8),
    ('not-genuine', true, false, 'Tidak ditemukan pada penerbit', 'The issuer does not know it', 9),
    ('duplicate', true, false, 'Sudah pernah diajukan', 'It was submitted before', 10),
    ('not-corrected', false, false, 'Tidak diperbaiki sampai batas waktu', 'Not corrected by the deadline', 11);

-- A vendor's document as it stands now. A KTP has no number here: that is the NIK, which stands sealed with the vendor.
-- `reminded` is the last reminder of its expiry that was told, in days before.
CREATE TABLE document (
    document_id uuid PRIMARY KEY,
    vendor_id uuid NOT NULL REFERENCES vendor (vendor_id),
    kind text NOT NULL CHECK (kind IN ('nib', 'pirt', 'halal', 'bpom', 'hki', 'ktp')),
    state text NOT NULL CHECK (state IN ('submitted', 'returned', 'verified', 'rejected', 'lapsed', 'replaced')),
    version int NOT NULL CHECK (version >= 1),
    number text CHECK ((number IS NULL) = (kind = 'ktp')),
    issued_on date,
    expires_on date,
    file_id uuid NOT NULL REFERENCES stored_file (file_id),
    submitted_by text NOT NULL CHECK (submitted_by IN ('vendor', 'officer')),
    submitted_at timestamptz NOT NULL,
    replaces uuid,
    reason text REFERENCES document_reason (code),
    note text NOT NULL DEFAULT '',
    correct_by date CHECK (correct_by IS NOT NULL OR state <> 'returned'),
    decided_by text,
    decided_at timestamptz,
    reminded int
);
CREATE INDEX document_of_vendor ON document (vendor_id, document_id);
CREATE INDEX document_queue ON document (state, submitted_at, document_id) WHERE state IN ('submitted', 'returned');
CREATE INDEX document_by_number ON document (kind, number) WHERE number IS NOT NULL;
CREATE INDEX document_by_file ON document (file_id);

-- What a returned document was before it was corrected.
CREATE TABLE document_version (
    document_id uuid NOT NULL REFERENCES document (document_id),
    version int NOT NULL,
    number text,
    issued_on date,
    expires_on date,
    file_id uuid NOT NULL REFERENCES stored_file (file_id),
    submitted_by text NOT NULL,
    submitted_at timestamptz NOT NULL,
    reason text REFERENCES document_reason (code),
    note text NOT NULL,
    correct_by date,
    decided_by text,
    decided_at timestamptz,
    PRIMARY KEY (document_id, version)
);
CREATE INDEX document_version_by_file ON document_version (file_id);
