-- What 0015 and 0016 replace.
DROP INDEX vendor_by_area;
DROP INDEX vendor_by_rt;
DROP INDEX vendor_by_day;
