-- A version is overwritten again and again: with half of each page free the new row finds room beside the old one, and
-- no index entry is written (a heap-only tuple). With 80 % filled, every second update wrote one.
ALTER TABLE consumed_version SET (fillfactor = 50);
