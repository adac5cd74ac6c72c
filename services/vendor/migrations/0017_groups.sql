-- Few of the whole province: whichever of the four are given, the index skips from one value of the others to the next
-- (PostgreSQL 18). The same entry stands for all of a group, hence 3 MB at 400,000.
CREATE INDEX vendor_of_group ON vendor (agency, category, origin, kind);
