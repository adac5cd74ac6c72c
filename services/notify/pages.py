"""Public web pages: end messages by the link in an e-mail. No token, no script, nothing from elsewhere, no name.

Looking never ends anything: mail programs open links by themselves. Ending takes a POST, from the button or, for one
click in the mail program, as RFC 8058 has it.
"""

from pathlib import Path
from typing import Literal, TypeAlias

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from services.notify.domain.wishes import VendorNotKnown, Wishes
from services.notify.handlers import wishes as handlers
from services.notify.handlers.stopping import StopLink, read_link
from services.notify.plans import TOPICS
from shared.http import PublicEdge, PublicEdgeDep
from shared.http.languages import AcceptLanguage, Lang, Language, preferred
from shared.http.public_pages import PublicPages

router = APIRouter(tags=["pages"], include_in_schema=False)

PAGES = PublicPages(
    Path(__file__).parent / "templates",
    "stop.css",
    # the address is the right to end messages: no other site is told of it, and nobody keeps the page
    headers={"Cache-Control": "private, no-store", "X-Robots-Tag": "noindex"},
    forms=True,
)

Step: TypeAlias = Literal["ask", "ended", "chosen", "unknown"]

TOPIC_NAMES = {
    "offers": ("Tawaran lapak dan jadwal bazar", "Booth offers and dates"),
    "applications": ("Pendaftaran bazar dan antrean", "Applications and the queue"),
    "training": ("Pelatihan", "Training"),
    "mentoring": ("Pendampingan", "Mentoring and help"),
    "documents": ("Dokumen usaha", "Documents"),
    "programme": ("Program dan keanggotaan", "The programme and membership"),
    "news": ("Kabar umum", "News"),
}
CHANNEL_NAMES = {"email": ("e-mail", "e-mail"), "sms": ("SMS", "SMS"), "whatsapp": ("WhatsApp", "WhatsApp")}


@router.get("/stop/{token}")
async def ask(
    edge: PublicEdgeDep, token: str, lang: Lang = None, accept_language: AcceptLanguage = None
) -> HTMLResponse:
    """Ask whether messages are to end. Nothing changes."""
    language = lang or preferred(accept_language)
    link = read_link(token, edge.platform.sealer, edge.now)
    if link is None:
        return _answer("unknown", language, lang)
    try:
        async with edge.read() as conn:
            wishes = await handlers.find_wishes(conn, link.vendor_id)
    except VendorNotKnown:
        return _answer("unknown", language, lang)
    return _answer("ask", language, lang, token=token, link=link, wishes=wishes)


@router.post("/stop/{token}")
async def end(
    edge: PublicEdgeDep, token: str, lang: Lang = None, accept_language: AcceptLanguage = None
) -> HTMLResponse:
    """End messages, or choose which may come. Doing it twice is doing it once."""
    language = lang or preferred(accept_language)
    link = read_link(token, edge.platform.sealer, edge.now)
    if link is None:
        return _answer("unknown", language, lang)
    form = await edge.request.form()
    asked = "stop" if form.get("List-Unsubscribe") == "One-Click" else form.get("act")
    try:
        if asked == "stop":
            return _answer("ended", language, lang, token=token, link=link, wishes=await _end(edge, link))
        if asked == "choose":
            wanted = {value for value in form.getlist("topic") if isinstance(value, str)}
            return _answer("chosen", language, lang, token=token, link=link, wishes=await _choose(edge, link, wanted))
        async with edge.read() as conn:
            wishes = await handlers.find_wishes(conn, link.vendor_id)
    except VendorNotKnown:
        return _answer("unknown", language, lang)
    return _answer("ask", language, lang, token=token, link=link, wishes=wishes, status=400)


async def _end(edge: PublicEdge, link: StopLink) -> Wishes:
    topics = TOPICS if link.topic is None else (link.topic,)
    async with edge.platform.database.transaction() as conn:
        return await handlers.end_messages(conn, link.vendor_id, topics, link.channel, by="link", now=edge.now)


async def _choose(edge: PublicEdge, link: StopLink, wanted: set[str]) -> Wishes:
    topics = [one for one in TOPICS if one in wanted]
    async with edge.platform.database.transaction() as conn:
        return await handlers.choose_topics(conn, link.vendor_id, topics, link.channel, by="link", now=edge.now)


def _answer(
    step: Step,
    language: Language,
    asked: Language | None,
    *,
    token: str | None = None,
    link: StopLink | None = None,
    wishes: Wishes | None = None,
    status: int | None = None,
) -> HTMLResponse:
    english = language == "en"
    topics = []
    if link is not None and wishes is not None:
        topics = [(topic, TOPIC_NAMES[topic][english], wishes.wants(topic, link.channel)) for topic in TOPICS]
    html = PAGES.render(
        "stop.html",
        language,
        asked,
        step=step,
        path=None if token is None else f"/stop/{token}",
        topic=None if link is None or link.topic is None else TOPIC_NAMES[link.topic][english],
        channel="" if link is None else CHANNEL_NAMES[link.channel][english],
        topics=topics,
    )
    found = status or (404 if step == "unknown" else 200)
    return HTMLResponse(html, found, headers={**PAGES.headers, "Content-Language": language})
