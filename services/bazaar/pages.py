"""Public web pages: which bazaars there are, and one of them. No token, no script, no personal data."""

import hashlib
from datetime import date
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, Response
from fastapi.responses import HTMLResponse

from services.bazaar.domain import public as domain
from services.bazaar.store import public as store
from shared.clock import day_in_jakarta
from shared.errors import NotFound
from shared.http import After, PublicEdge, PublicEdgeDep, page, read_cursor
from shared.http.languages import AcceptLanguage, Lang, Language, preferred
from shared.http.public_pages import PublicPages

router = APIRouter(tags=["pages"], include_in_schema=False)

CACHED_SECONDS = 60
LISTED = 60

PAGES = PublicPages(
    Path(__file__).parent / "templates",
    "public.css",
    headers={"Cache-Control": f"public, max-age={CACHED_SECONDS}"},
    images=True,
)

IfNoneMatch = Annotated[str | None, Header(max_length=1000)]


@router.get("/bazaars")
async def list_bazaars(
    edge: PublicEdgeDep,
    past: bool = False,
    lang: Lang = None,
    after: After = None,
    accept_language: AcceptLanguage = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Bazaars to come, the next first; or those that are over."""
    today = day_in_jakarta(edge.now)
    key = read_cursor(after, tuple[date, UUID]) if after else None
    find = store.list_past if past else store.list_coming
    async with edge.read() as conn:
        found = page(await find(conn, today, key, LISTED), LISTED, lambda row: (row["days"][0], row["bazaar_id"]))
    shown = [{**domain.listed(row, edge.now), "under_way": today in row["days"]} for row in found["items"]]
    language = lang or preferred(accept_language)
    html = _render(
        "bazaars.html",
        language,
        lang,
        path="/bazaars",
        data=f"/v1/public/bazaars{'?past=true' if past else ''}",
        calendar="/v1/calendar.ics",
        bazaars=shown,
        past=past,
        next=found["next"],
    )
    return _answer(html, language, if_none_match)


@router.get("/bazaars/{bazaar_id}")
async def show_bazaar(
    edge: PublicEdgeDep,
    bazaar_id: str,
    lang: Lang = None,
    accept_language: AcceptLanguage = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """One bazaar; for people a plain page where there is none."""
    language = lang or preferred(accept_language)
    try:
        shown = await _find(edge, bazaar_id)
    except NotFound:
        html = _render(
            "missing.html", language, lang, path="/bazaars", data="/v1/public/bazaars", calendar="/v1/calendar.ics"
        )
        return HTMLResponse(
            html, 404, headers={**PAGES.headers, "Content-Language": language, "Cache-Control": "no-store"}
        )
    html = _render(
        "bazaar.html",
        language,
        lang,
        path=f"/bazaars/{shown['bazaar_id']}",
        data=f"/v1/public/bazaars/{shown['bazaar_id']}",
        calendar=shown["calendar"],
        bazaar=shown,
        event=domain.event_for_search(shown),
    )
    return _answer(html, language, if_none_match)


async def _find(edge: PublicEdge, bazaar_id: str) -> dict[str, Any]:
    try:
        known_as = UUID(bazaar_id)
    except ValueError:
        raise NotFound("There is no such bazaar.") from None
    async with edge.read() as conn:
        facts = await store.find_facts(conn, known_as)
    return domain.describe(facts, edge.now)


def _render(template: str, language: Language, asked: Language | None, **values: Any) -> str:
    """A page in one language."""

    def w(words: dict[str, str]) -> str:
        return words[language]

    return PAGES.render(template, language, asked, w=w, **values)


def _answer(html: str, language: Language, if_none_match: str | None) -> Response:
    tag = f'"{hashlib.sha256(html.encode()).hexdigest()[:32]}"'
    headers = {**PAGES.headers, "ETag": tag, "Content-Language": language}
    if if_none_match is not None and tag in if_none_match:
        return Response(status_code=304, headers=headers)
    return HTMLResponse(html, headers=headers)
