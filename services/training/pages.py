"""Public web pages: does a certificate count? No token, no script, no name in full."""

import base64
import hashlib
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from services.training.domain.certificates import REFERENCE_CHARACTERS_MAX
from services.training.domain.printing import say_day, say_days
from services.training.handlers.certificates import find_public
from shared.http import PublicEdge, PublicEdgeDep
from shared.http.languages import AcceptLanguage, Lang, Language, preferred

router = APIRouter(tags=["pages"], include_in_schema=False)

FOLDER = Path(__file__).parent / "templates"
TEMPLATES = Environment(
    loader=FileSystemLoader(FOLDER), autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
)
STYLE = (FOLDER / "certificate.css").read_text(encoding="utf-8")
STYLE_SHA256 = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()

HEADERS = {
    # a revocation shows at once
    "Cache-Control": "no-cache",
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{STYLE_SHA256}'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Vary": "Accept-Language",
    "X-Content-Type-Options": "nosniff",
    # an address from a code stands for a person's paper: no search engine keeps it
    "X-Robots-Tag": "noindex",
}


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
    def t(indonesian: str, english: str) -> str:
        return english if language == "en" else indonesian

    html = TEMPLATES.get_template("certificate.html").render(
        lang=language,
        own=f"?lang={asked}" if asked else "",
        asked=asked,
        style=Markup(STYLE),  # ours, with nothing put into it
        t=t,
        say_day=lambda day: say_day(day, language),
        say_days=lambda days: say_days(days, language),
        certificate=found,
        path=path,
        data=data,
        other=t("en", "id"),
    )
    unknown = found is not None and found["state"] == "unknown"
    return HTMLResponse(html, 404 if unknown else 200, headers={**HEADERS, "Content-Language": language})
