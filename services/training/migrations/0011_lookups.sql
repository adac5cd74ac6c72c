-- What is kept of a person is found, and erased, by the person: without it each of them looked through all attendance.
CREATE INDEX attendance_vendor ON attendance (vendor_id);
