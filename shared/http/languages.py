"""The languages of public pages."""

from typing import Annotated, Literal, TypeAlias

from fastapi import Header, Query

__all__ = ["AcceptLanguage", "Lang", "Language", "preferred"]

Language: TypeAlias = Literal["id", "en"]

Lang = Annotated[Language | None, Query(description="Language of the page; else as the browser prefers")]
"""Query parameter of pages: `lang: Lang = None`."""

AcceptLanguage = Annotated[str | None, Header(max_length=1000)]
"""Header of browsers: `accept_language: AcceptLanguage = None`."""


def preferred(accept_language: str | None) -> Language:
    """The language of ours that a browser prefers (RFC 9110, 12.5.4); Indonesian where it has no wish."""
    weights: dict[str, float] = {}
    for part in (accept_language or "").lower().split(","):
        name, _, quality = part.strip().partition(";q=")
        primary = name.partition("-")[0].strip()
        try:
            weight = float(quality) if quality else 1.0
        except ValueError:
            continue
        weights[primary] = max(weight, weights.get(primary, 0.0))
    return "en" if weights.get("en", 0.0) > weights.get("id", weights.get("*", 0.0)) else "id"
