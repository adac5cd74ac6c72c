"""Mechanisms and contracts that several services need; no business, and no import of a service."""
