"""People as notify knows them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Contact:
    """How to reach a person or a provider, and in which language."""

    name: str
    phone: str | None
    email: str | None
    language: str
