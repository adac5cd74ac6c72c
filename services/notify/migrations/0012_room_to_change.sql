-- A message and its attempt are written once and changed a few times soon after: with room left in their pages a change
-- that touches no index stays beside what it replaces (HOT) and is forgotten without a vacuum.
ALTER TABLE notification SET (fillfactor = 60);
ALTER TABLE attempt SET (fillfactor = 60);
