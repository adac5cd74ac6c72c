"""The commands that training brings."""
