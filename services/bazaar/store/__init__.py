"""Every SQL statement of bazaars, as functions that take a connection.

Locks are taken in one order: a bazaar, then a party, then its applications by id. Whatever makes or moves offers holds
the bazaar's lock; an answer that only closes its own offer (a confirmation, a check-in, sales) takes its application's
alone. Before a bazaar comes the vendor that applies or is erased, and before all that the lock under which people are
merged, parted and erased.
"""
