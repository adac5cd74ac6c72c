-- Who lives where. It begins with kelurahan, RW and RT, so that the search for duplicates needs no index of its own for
-- them, and holds every filter but names, as before. Each index of this release is built in a migration of its own: while
-- one is built, nobody registers.
CREATE INDEX vendor_of_area ON vendor (kelurahan, rw, rt)
    INCLUDE (vendor_id, category, agency, kind, origin, registered_on, suspended_because, merged_into, erased_at);
