"""Every SQL statement of training, by what it is about.

Order of locks, the same in every transaction, so that none waits in a circle: the course (only while inviting, merging,
parting and erasing), then the lock under which people are merged, parted and erased, then the course's queue (whenever
places are given or freed), then the class, then trainees by vendor_id. Whoever erases frees places without the queue:
a timer gives them. Rows are locked FOR NO KEY UPDATE: foreign keys that point at them do not wait.
Consumers write otherwise only to the copy of the registry and to trainees that nobody else can know yet.
"""
