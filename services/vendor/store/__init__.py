"""Every SQL statement of the vendor registry, as functions that take a connection.

Whatever changes a vendor, or publishes an event about it, holds the lock of its row first; several are locked in the
order of their ids.
"""
