"""What notify does with each message and each outcome: load, decide, save, record. The edge owns the transaction."""
