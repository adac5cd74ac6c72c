"""The contracts: every message that crosses a service's border, its envelope and its topic.

The JSON Schemas and the AsyncAPI document in `schema/` are generated from these models (`lapak contracts`). A released
field is never removed, retyped or made required; anything else is a new event name.
"""

from shared.events import (
    bazaar,
    cases,
    documents,
    graduation,
    mentoring,
    notify,
    operations,
    products,
    programme,
    rights,
    training,
    vendor,
)
from shared.events.envelope import Command, Envelope, Event, Malformed, Message, read_envelope, write_headers

__all__ = [
    "Command",
    "Envelope",
    "Event",
    "Malformed",
    "Message",
    "bazaar",
    "cases",
    "documents",
    "graduation",
    "mentoring",
    "notify",
    "operations",
    "products",
    "programme",
    "read_envelope",
    "rights",
    "training",
    "vendor",
    "write_headers",
]
