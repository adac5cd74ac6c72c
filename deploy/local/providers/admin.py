"""What people and programs may do with the emulators, and the phones that show what came.

POST   /admin/accounts              an account, as one sets it up at the provider; WhatsApp's webhook is verified
                                        (?verify=false: not, for its service is about to start)
POST   /admin/faults?provider=      misbehave on purpose (`Faults`); without a provider all of them
POST   /admin/inbound               a person writes, or presses a button
POST   /admin/webhook               any change at all to WhatsApp's webhook: account_update and the like
POST   /admin/templates             templates, approved at once; /admin/templates/status changes one
GET    /admin/messages?to=&provider=&limit=&after=&before=      newest first; with `after`, oldest first from there
GET    /admin/count?to=&provider=   messages, recipients, references of ours, duplicates
GET    /admin/pending               reports that wait for their webhook, by account
POST   /admin/told                  from now on keep what webhooks took, of all accounts there are
GET    /admin/told?after=&limit=    it, oldest first
DELETE /admin/messages
"""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import parse_qs

import httpx
import jinja2
from fastapi import FastAPI, HTTPException, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from markupsafe import Markup, escape
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.middleware.trustedhost import TrustedHostMiddleware

from deploy.local.providers.accounts import Account, TwilioAccount, WhatsAppAccount
from deploy.local.providers.emulator import PROVIDERS, Emulator
from deploy.local.providers.faults import Faults, ProviderName
from deploy.local.providers.templates import Refusal
from deploy.local.providers.whatsapp import change
from shared.clock import JAKARTA

__all__ = ["admin"]

BOLD = re.compile(r"(?<![^\s(])\*([^*\n]+)\*(?!\w)")  # as WhatsApp writes it; not inside an address
Limit = Annotated[int, Query(ge=1, le=10_000)]
_PAGE_HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'"}
_pages = jinja2.Environment(loader=jinja2.FileSystemLoader(Path(__file__).with_name("pages")), autoescape=True)
_pages.filters["moment"] = lambda at: f"{datetime.fromtimestamp(at, UTC).astimezone(JAKARTA):%d-%m %H:%M:%S}"
_pages.filters["bold"] = lambda text: Markup(BOLD.sub(r"<strong>\1</strong>", str(escape(text))))
_pages.policies["urlize.rel"] = "noopener noreferrer"


class Inbound(BaseModel):
    """A person writes to us: a text, or the button with `payload` of the message `context`."""

    model_config = ConfigDict(extra="forbid")

    provider: ProviderName
    account: str | None = None
    person: str = Field(pattern=r"^\+?[1-9]\d{6,14}$")
    text: str = Field(min_length=1, max_length=4096)
    payload: str | None = Field(default=None, max_length=256)
    context: str | None = None


class Change(BaseModel):
    """A change of any kind, told to the webhook of a number."""

    model_config = ConfigDict(extra="forbid")

    number_id: str
    field: str
    value: dict[str, Any]


class Ruling(BaseModel):
    """A person at WhatsApp decides on a template."""

    model_config = ConfigDict(extra="forbid")

    number_id: str
    name: str
    language: str
    status: Literal["APPROVED", "REJECTED", "PAUSED", "DISABLED"]


class NewTemplates(BaseModel):
    """Templates as the API takes them, approved at once; those that are there stay."""

    model_config = ConfigDict(extra="forbid")

    number_id: str
    templates: list[dict[str, Any]] = Field(max_length=1000)


def admin(emulator: Emulator) -> FastAPI:
    """The application beside the APIs."""
    app = FastAPI(title="Lapak providers", docs_url="/admin/docs", redoc_url=None)
    # A page elsewhere whose name resolves to loopback must not read or write.
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])
    store = emulator.store

    def number_of(number_id: str) -> Any:
        if number_id not in emulator.numbers:
            raise HTTPException(404, f"No number {number_id} at WhatsApp.")
        return emulator.numbers[number_id]

    def account_of(provider: str, key: str | None) -> Account:
        found = [one for one in emulator.accounts() if one.adapter == provider and key in (None, one.key)]
        if not found:
            raise HTTPException(404, f"No such account at {provider}.")
        return found[0]

    @app.post("/admin/accounts", status_code=204)
    async def save_account(account: Account, verify: bool = True) -> None:
        if verify and isinstance(account, WhatsAppAccount) and account.webhook is not None:
            await _verify(account)
        await emulator.save(account)

    @app.get("/admin/accounts")
    def list_accounts() -> list[dict[str, Any]]:
        hidden = {"token", "app_secret", "verify_token", "secret", "signature_secret"}
        return [account.model_dump(exclude=hidden) for account in emulator.accounts()]

    @app.post("/admin/faults")
    def set_faults(wanted: Faults, provider: ProviderName | None = None) -> dict[str, Faults]:
        for name in PROVIDERS if provider is None else (provider,):
            emulator.misbehave(name, wanted)
        return emulator.faults

    @app.get("/admin/faults")
    def faults() -> dict[str, Faults]:
        return emulator.faults

    @app.post("/admin/inbound")
    async def inbound(said: Inbound) -> dict[str, str]:
        account = account_of(said.provider, said.account)
        _must_take_answers(account)
        person = said.person.lstrip("+")
        message = await emulator.hear(account, person, said.text, payload=said.payload, context=said.context)
        return {"message_id": message.message_id}

    @app.post("/admin/webhook", status_code=204)
    def webhook(said: Change) -> None:
        number = number_of(said.number_id)
        emulator.tell(number, change(number.account, said.value, said.field))

    @app.post("/admin/templates")
    async def add_templates(new: NewTemplates) -> dict[str, int]:
        number, added = number_of(new.number_id), 0
        for asked in new.templates:
            key = (number.account.account_id, str(asked.get("name")), str(asked.get("language")))
            if emulator.templates.get(*key) is not None:
                continue
            try:
                emulator.submit(number, asked, at_once=True)
            except Refusal as refusal:
                raise HTTPException(422, f"{key[1]} ({key[2]}): {refusal.title}: {refusal.text}") from None
            added += 1
        return {"added": added}

    @app.post("/admin/templates/status")
    async def rule(ruling: Ruling) -> dict[str, str]:
        number = number_of(ruling.number_id)
        template = emulator.templates.get(number.account.account_id, ruling.name, ruling.language)
        if template is None:
            raise HTTPException(404, "No such template.")
        return {"status": emulator.decide(number, template, ruling.status).status}

    @app.get("/admin/templates")
    def templates(number_id: str) -> list[dict[str, Any]]:
        now, account_id = time.time(), number_of(number_id).account.account_id
        return [
            {
                "name": one.name,
                "language": one.language,
                "status": one.status_at(now),
                "body": one.body,
                "variables": one.variables,
                "buttons": len(one.buttons),
            }
            for one in emulator.templates.of(account_id)
        ]

    @app.get("/admin/messages")
    def messages(
        to: str = "", provider: str = "", limit: Limit = 100, after: int | None = None, before: int | None = None
    ) -> dict[str, Any]:
        found = store.find(to=to, provider=provider, limit=limit, after=after, before=before, now=time.time())
        return {"messages": found}

    @app.get("/admin/count")
    def count(to: str = "", provider: str = "") -> dict[str, int]:
        return store.count(to=to, provider=provider)

    @app.get("/admin/pending")
    def pending() -> dict[str, int]:
        return store.pending()

    @app.post("/admin/told", status_code=204)
    async def keep_told() -> None:
        for account in emulator.accounts():
            await emulator.save(account.model_copy(update={"keeps_told": True}))

    @app.get("/admin/told")
    def told(after: int = 0, limit: Limit = 1000) -> dict[str, Any]:
        return {"told": store.told(after, limit)}

    @app.delete("/admin/messages")
    def clear() -> dict[str, int]:
        return {"deleted": store.clear()}

    # --- pages

    @app.get("/", include_in_schema=False)
    def phones(before: int | None = None) -> HTMLResponse:
        people = store.people(100, before)
        older = f"/?before={people[-1]['id']}" if len(people) == 100 else None
        html = _pages.get_template("phones.html").render(people=people, older=older, counts=store.count())
        return HTMLResponse(html, headers=_PAGE_HEADERS)

    @app.get("/phones", include_in_schema=False)
    def jump(number: str) -> RedirectResponse:
        digits = "".join(c for c in number if c in "0123456789")
        return RedirectResponse(f"/phones/{re.sub('^0', '62', digits) or '0'}#newest", 303)  # 0812... is +62812...

    @app.get("/phones/{person}", include_in_schema=False)
    def phone(person: str, before: int | None = None) -> HTMLResponse:
        found = store.find(to=person, limit=50, before=before, now=time.time())
        older = f"/phones/{person}?before={found[-1]['id']}" if len(found) == 50 else None
        ways = [(one.adapter, one.key) for one in emulator.accounts() if _takes_answers(one)]
        last = next((row["provider"] for row in found if not row["inbound"]), "whatsapp")
        ways.sort(key=lambda way: way[0] != last)
        html = _pages.get_template("phone.html").render(
            person=person, messages=found[::-1], older=older, newer=before, ways=ways, counts=store.count()
        )
        return HTMLResponse(html, headers=_PAGE_HEADERS)

    @app.post("/phones/{person}", include_in_schema=False)
    async def write(person: str, request: Request) -> RedirectResponse:
        if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
            raise HTTPException(403, "Only from this page.")
        form = {name: values[-1] for name, values in parse_qs((await request.body()).decode()).items()}
        provider, _, key = form.pop("way", "").partition(":")
        try:
            said = Inbound.model_validate(form | {"provider": provider, "account": key, "person": person})
        except ValidationError as error:
            raise HTTPException(422, [f"{one['loc'][0]}: {one['msg']}" for one in error.errors()]) from None
        await inbound(said)
        await asyncio.sleep(0.3)  # what is answered at once shows at once
        return RedirectResponse(f"/phones/{person}#newest", 303)

    return app


def _takes_answers(account: Account) -> bool:
    return isinstance(account, WhatsAppAccount) or account.senders[0].lstrip("+").isdigit()


def _must_take_answers(account: Account) -> None:
    if not _takes_answers(account):
        assert not isinstance(account, WhatsAppAccount)
        kind = "Twilio" if isinstance(account, TwilioAccount) else "Vonage"
        raise HTTPException(409, f"Nobody can answer a sender that is a name: {account.senders[0]} at {kind}.")


async def _verify(account: WhatsAppAccount) -> None:
    """As the console does it: the address must answer with our challenge."""
    challenge = secrets.token_hex(8)
    query = {"hub.mode": "subscribe", "hub.challenge": challenge, "hub.verify_token": account.verify_token}
    try:
        async with httpx.AsyncClient(timeout=10, verify=False) as client:
            answer = await client.get(account.webhook or "", params=query)
    except httpx.HTTPError as error:
        raise HTTPException(422, f"The callback URL could not be validated: {type(error).__name__}.") from None
    if answer.status_code != 200 or answer.text != challenge:
        raise HTTPException(422, f"The callback URL could not be validated: it answered {answer.status_code}.")
