"""Public web pages: does a certificate count? No token, no script, no name in full."""

from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse

from services.training.domain.certificates import REFERENCE_CHARACTERS_MAX
from services.training.domain.printing import say_day, say_days
from services.training.handlers.certificates import find_public
from shared.http import PublicEdge, PublicEdgeDep
from shared.http.languages import AcceptLanguage, Lang, Language, preferred
from shared.http.public_pages import PublicPages

router = APIRouter(tags=["pages"], include_in_schema=False)

PAGES = PublicPages(
    Path(__file__).parent / "templates",
    "certificate.css",
    headers={
        # a revocation shows at once
        "Cache-Control": "no-cache",
        # an address from a code stands for a person's paper: no search engine keeps it
        "X-Robots-Tag": "noindex",
    },
    forms=True,
)


@router.get("/certificates")
async def ask(
    edge: PublicEdgeDep,
    number: Annotated[str | None, Query(max_length=REFERENCE_CHARACTERS_MAX)] = None,
    lang: Lang = None,
    accept_language: AcceptLanguage = None,
) -> HTMLResponse:
    """A field for a number, and what is known of the one that was asked for."""
    language = lang or preferred(accept_language)
    if not number:
        return _answer(None, language, lang, path="/certificates", data=None)
    return await _show(edge, number, language, lang)


@router.get("/certificates/{reference:path}")
async def show(
    edge: PublicEdgeDep, reference: str, lang: Lang = None, accept_language: AcceptLanguage = None
) -> HTMLResponse:
    """Whether a certificate counts, by its id (as in its code) or its number."""
    return await _show(edge, reference, lang or preferred(accept_language), lang)


async def _show(edge: PublicEdge, reference: str, language: Language, asked: Language | None) -> HTMLResponse:
    async with edge.read() as conn:
        found = await find_public(conn, reference, sealer=edge.platform.sealer)
    if found["state"] == "unknown":
        return _answer(found, language, asked, path="/certificates", data=None)
    # the address as it was asked: a page by number does not tell the id, which shows more
    known_as = reference.strip()
    return _answer(found, language, asked, path=f"/certificates/{known_as}", data=f"/v1/public/certificates/{known_as}")


def _answer(
    found: dict[str, Any] | None, language: Language, asked: Language | None, *, path: str, data: str | None
) -> HTMLResponse:
    html = PAGES.render(
        "certificate.html",
        language,
        asked,
        asked=asked,
        say_day=lambda day: say_day(day, language),
        say_days=lambda days: say_days(days, language),
        certificate=found,
        path=path,
        data=data,
    )
    unknown = found is not None and found["state"] == "unknown"
    return HTMLResponse(html, 404 if unknown else 200, headers={**PAGES.headers, "Content-Language": language})
