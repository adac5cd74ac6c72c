-- How a registration stands: merged into another, suspended, erased; and the log of what was done to personal data.

ALTER TABLE vendor
    ADD COLUMN born_on date,                                  -- as the NIK says; no proof (DOMAIN: NIK)
    ADD COLUMN merged_into uuid REFERENCES vendor (vendor_id),
    ADD COLUMN suspended_because text,
    ADD COLUMN erased_at timestamptz,
    ALTER COLUMN nik_index DROP NOT NULL,
    ALTER COLUMN nik_sealed DROP NOT NULL,
    -- an erased row is statistics: its texts are empty, its NIK is gone
    ADD CONSTRAINT vendor_erased CHECK (
        CASE WHEN erased_at IS NULL THEN nik_index IS NOT NULL AND nik_sealed IS NOT NULL
        ELSE nik_index IS NULL AND nik_sealed IS NULL AND born_on IS NULL
            AND name = '' AND phone = '' AND email IS NULL AND street = '' END
    );
CREATE INDEX vendor_merged ON vendor (merged_into) WHERE merged_into IS NOT NULL;

-- Who saw or changed what of whom. Rows are only ever added; each carries the hash of the one before it, so that a row
-- that was changed, removed or put in between is found (`lapak audit verify`). Ids and codes, no personal data.
CREATE TABLE audit_log (
    seq bigint PRIMARY KEY,
    at timestamptz NOT NULL,
    actor text NOT NULL,
    act text NOT NULL,
    vendor_id uuid,
    detail jsonb NOT NULL,
    hash bytea NOT NULL
);
CREATE INDEX audit_of_vendor ON audit_log (vendor_id, seq);
CREATE FUNCTION audit_log_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION audit_log_is_append_only();
