"""One function per wish or message: load and lock, let the domain decide, save, record.

The edge owns the transaction.
"""
