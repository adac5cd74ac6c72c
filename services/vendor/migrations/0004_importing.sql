-- What a sheet of 400,000 rows costs. The two foreign keys of a vendor ask for, and lock, one of ten rows for each row
-- that comes in: a fifth of its time in the database, and importers that run at once queue for the locks. The codes of
-- a registration are checked against these tables before it is written, and a code that is known stays known:
CREATE FUNCTION code_is_never_removed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a code of the programme is never removed or renamed: vendors and published events carry it'
        USING ERRCODE = 'foreign_key_violation';
END $$;
CREATE TRIGGER category_code_stays BEFORE DELETE OR TRUNCATE OR UPDATE OF code ON category
    FOR EACH STATEMENT EXECUTE FUNCTION code_is_never_removed();
CREATE TRIGGER agency_code_stays BEFORE DELETE OR TRUNCATE OR UPDATE OF code ON agency
    FOR EACH STATEMENT EXECUTE FUNCTION code_is_never_removed();
ALTER TABLE vendor DROP CONSTRAINT vendor_category_fkey, DROP CONSTRAINT vendor_agency_fkey;
