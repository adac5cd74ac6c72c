-- In the order of registration, with every filter: where those who fit are fewer, or come later, than the planner
-- believes, those who do not fit are passed over in the index and their rows are left alone.
CREATE INDEX vendor_in_order ON vendor (registered_on, vendor_id)
    INCLUDE (kelurahan, category, agency, kind, origin, suspended_because, merged_into, erased_at, name_folded);
