"""The emulators at work: every request is held against the account, stored, answered, and its reports put in line."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import parse_qs

from pydantic import TypeAdapter

from deploy.local.committing import SharedCommits
from deploy.local.providers import twilio, vonage, whatsapp
from deploy.local.providers.accounts import Account, TwilioAccount, WhatsAppAccount
from deploy.local.providers.faults import Faults, ProviderName, drawn, journey, reported
from deploy.local.providers.limits import DAY_SECONDS
from deploy.local.providers.messages import Answer, Cut, Message, Report, Request, Taken, as_json
from deploy.local.providers.store import Store
from deploy.local.providers.templates import Refusal, Template, Templates
from deploy.local.providers.webhooks import Lane
from shared.clock import Clock

__all__ = ["PROVIDERS", "Emulator"]

PROVIDERS: tuple[ProviderName, ...] = ("whatsapp", "twilio", "vonage")
WAITING_MAX = 2000
PAGE = 25
HANG_SECONDS = 3600.0
UNKNOWN_NUMBER: dict[str, int] = {"whatsapp": 131026, "twilio": 30006, "vonage": 6}

_account = TypeAdapter[Account](Account)
_Entry = tuple[Message | None, Sequence[Report]]


class Emulator:
    """All accounts of all providers. `clock`: the time people have (the stack's development clock)."""

    def __init__(self, folder: Path, clock: Clock | None = None) -> None:
        self.store = Store(folder)
        self.clock = clock or Clock()
        self.templates = Templates(self.store)
        self.faults: dict[str, Faults] = {}
        self._dice: dict[str, Random] = {}
        for provider in PROVIDERS:
            self.misbehave(provider, Faults())
        self.numbers: dict[str, whatsapp.Number] = {}
        self.twilio: dict[str, twilio.Line] = {}
        self.vonage: dict[str, vonage.Line] = {}
        self.lanes: dict[str, Lane] = {}
        self.reading = ThreadPoolExecutor(max_workers=1)
        self._commits = SharedCommits[_Entry](self.store.add, waiting_max=WAITING_MAX)
        self._writer: asyncio.Task[None] | None = None
        self._known = [_account.validate_json(body) for body in self.store.accounts()]

    def now(self) -> float:
        """Seconds since 1970, by the clock that people have."""
        return self.clock.now().timestamp()

    async def start(self) -> None:
        """Begin to write and to report; accounts of an earlier run are there again."""
        self._writer = asyncio.create_task(self._commits.run())
        for account in self._known:
            self._open(account)

    async def stop(self) -> None:
        """End what `start` began and close the store."""
        tasks = [lane.task for lane in self.lanes.values()] + ([self._writer] if self._writer else [])
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for lane in self.lanes.values():
            await lane.client.aclose()
        self.reading.shutdown()
        self._commits.close()
        self.store.close()

    # --- accounts and faults

    def misbehave(self, provider: str, faults: Faults) -> None:
        """From now on the provider behaves like this; the dice begin anew."""
        self.faults[provider] = faults
        self._dice[provider] = Random(faults.seed)

    async def save(self, account: Account) -> None:
        """Add an account, or change it: its limits begin anew."""
        await asyncio.to_thread(self.store.save_account, account.adapter, account.key, account.model_dump_json())
        self._open(account)

    def _open(self, account: Account) -> None:
        lane = f"{account.adapter}:{account.key}"
        if isinstance(account, WhatsAppAccount):
            number = whatsapp.Number(account)
            since = self.now() - DAY_SECONDS
            for people, inbound in ((number.windows, True), (number.begun, False)):
                for person, at in self.store.met(account.key, inbound=inbound, since=since):
                    people.meet(person, at)
            self.numbers[account.key] = number
        elif isinstance(account, TwilioAccount):
            stopped = self.twilio[account.key].stopped if account.key in self.twilio else set()
            self.twilio[account.key] = twilio.Line(account)
            self.twilio[account.key].stopped = stopped
        else:
            self.vonage[account.key] = vonage.Line(account)
        if lane in self.lanes:
            self.lanes[lane].account = account
        else:
            self.lanes[lane] = Lane(lane, account, self)
        self.lanes[lane].wake.set()

    def accounts(self) -> list[Account]:
        """All accounts."""
        return [lane.account for lane in self.lanes.values()]

    # --- requests

    async def answer(self, provider: str, request: Request) -> Answer:
        """Answer a request to the API of a provider. Raises Cut where the connection is to end without one."""
        faults, dice = self.faults[provider], self._dice[provider]
        sends = request.method == "POST" and not request.path.endswith("/message_templates")
        if not faults.harmless:
            if faults.delay_ms:
                await asyncio.sleep(faults.delay_ms / 1000)
            if faults.down:
                return _broken(provider, 503)
            if sends and dice.random() < faults.cut_before:
                raise Cut
            if sends and dice.random() < faults.broken_before:
                return _broken(provider, 500)
            code = drawn(faults.errors, dice) if sends else None
            if code is not None:
                return _refused(provider, code)
        try:
            taken = getattr(self, f"_{provider}")(request)
        except whatsapp.Refused as refused:
            return whatsapp.error(refused)
        except twilio.Refused as refused:
            return twilio.error(refused.code)
        except vonage.Refused as refused:
            return vonage.error(refused)
        if isinstance(taken, Answer):
            return taken
        return await self._take(provider, taken, faults, dice)

    async def _take(self, provider: str, taken: Taken, faults: Faults, dice: Random) -> Answer:
        """Store a message with what will be said of it, and let its sender hear what its fate allows."""
        now, message = time.time(), taken.message
        failure = taken.failure or (drawn(faults.failures, dice) if faults.failures else None)
        if failure is None and faults.not_reached(message.person):
            failure = UNKNOWN_NUMBER[provider]
        steps = journey(faults, dice, failure=failure, reads=taken.reads, now=now)
        lane = f"{provider}:{message.account}"
        told = reported(faults, dice, steps) if message.callback != "" else []
        shift = message.at - now
        ids = (None, *taken.part_ids)
        reports = [Report(lane, s.due, s.due + shift, s.status, s.code, one) for s in told for one in ids]
        if faults.delivered_unsent and dice.random() < faults.delivered_unsent:
            lie = "wamid." + secrets.token_hex(20) if provider == "whatsapp" else "SM" + secrets.token_hex(16)
            reports.append(Report(lane, now + 0.1, message.at, "delivered", None, lie))
        message.steps = tuple(steps)
        await self.keep(message, reports)
        fate = "answer" if faults.harmless else faults.fate(dice)
        if fate == "cut":
            raise Cut
        if fate == "time-out":
            await asyncio.sleep(HANG_SECONDS)
        return taken.answer

    async def keep(self, message: Message | None, reports: Sequence[Report]) -> None:
        """Store it; returns once it is on disk."""
        await self._commits.store((message, reports))
        for lane in {report.lane for report in reports}:
            if lane in self.lanes:
                self.lanes[lane].wake.set()

    async def settle(
        self, done: Sequence[int], again: Sequence[tuple[float, int]] = (), *, kept: Sequence[int] = ()
    ) -> None:
        """Take reports out of the line, or put them back; remember those that were taken in."""
        await self._commits.call(partial(self.store.settle, kept=kept), done, again)

    # --- WhatsApp

    def _whatsapp(self, request: Request) -> Taken | Answer:
        found = re.fullmatch(r"/v\d+\.\d+/(\d+)/(messages|message_templates)", request.path)
        if found is None or request.method not in {"GET", "POST"}:
            raise whatsapp.Refused(100, "Unsupported request", subcode=33)
        key, edge = found.groups()
        if edge == "message_templates":
            return self._message_templates(key, request)
        number = self.numbers.get(key)
        if number is None or request.method != "POST":
            raise whatsapp.Refused(100, f"Object with ID '{key}' does not exist", subcode=33)
        try:
            asked = json.loads(request.body)
        except ValueError:
            raise whatsapp.Refused(100, "The body is not JSON") from None
        return whatsapp.judge(number, request, asked, self.templates, now=self.now(), monotonic=time.monotonic())

    def _message_templates(self, key: str, request: Request) -> Answer:
        number = next((one for one in self.numbers.values() if one.account.account_id == key), None)
        if number is None:
            raise whatsapp.Refused(100, f"Object with ID '{key}' does not exist", subcode=33)
        if request.headers.get(b"authorization") != number.authorization:
            raise whatsapp.Refused(190, "The access token is not one of this account")
        if request.method == "GET":
            return self._list_templates(key, request)
        try:
            asked = json.loads(request.body)
            if not isinstance(asked, dict):
                raise whatsapp.Refused(100, "The body is not an object")
            template = self.submit(number, asked)
        except ValueError:
            raise whatsapp.Refused(100, "The body is not JSON") from None
        except Refusal as refusal:
            return _template_error(refusal)
        status = template.status_at(time.time())
        return Answer(200, as_json({"id": str(template.id), "status": status, "category": template.category}))

    def submit(self, number: whatsapp.Number, asked: dict[str, Any], *, at_once: bool = False) -> Template:
        """Take a template; it is approved soon, and its webhook says so. Raises Refusal."""
        wait = 0.0 if at_once else number.account.decision_ms / 1000
        template = self.templates.create(number.account.account_id, asked, decided_at=time.time() + wait)
        self._tell_verdict(number, template, "APPROVED", wait)
        return template

    def decide(self, number: whatsapp.Number, template: Template, status: str) -> Template:
        """A person at WhatsApp says what becomes of a template; its webhook says so."""
        template = self.templates.decide(template, status)
        self._tell_verdict(number, template, status, 0.0)
        return template

    def _tell_verdict(self, number: whatsapp.Number, template: Template, status: str, wait: float) -> None:
        value = {
            "event": status,
            "message_template_id": template.id,
            "message_template_name": template.name,
            "message_template_language": template.language,
            "message_template_category": template.category,
            "reason": "NONE" if status == "APPROVED" else "OTHER",
        }
        self.tell(number, whatsapp.change(number.account, value, "message_template_status_update"), wait)

    def tell(self, number: whatsapp.Number, change: dict[str, Any], wait: float = 0.0) -> None:
        """Put one change in line for the webhook of a number."""
        lane, body = f"whatsapp:{number.account.number_id}", as_json(change).decode()
        self.store.add([(None, [Report(lane, time.time() + wait, self.now(), "raw", body=body)])])
        self.lanes[lane].wake.set()

    def _list_templates(self, key: str, request: Request) -> Answer:
        query = {name: values[-1] for name, values in parse_qs(request.query.decode()).items()}
        now = time.time()
        found = [
            one
            for one in self.templates.of(key)
            if query.get("name", one.name) in one.name and query.get("status", one.status_at(now)) == one.status_at(now)
        ]
        limit = int(query.get("limit", PAGE)) if query.get("limit", "1").isdigit() else PAGE
        with suppress(ValueError):
            found = [one for one in found if one.id > int(query.get("after", "0"))]
        page = found[:limit]
        data = [
            {
                "id": str(one.id),
                "name": one.name,
                "language": one.language,
                "category": one.category,
                "status": one.status_at(now),
                "parameter_format": "POSITIONAL",
                "components": list(one.components),
            }
            for one in page
        ]
        answer: dict[str, Any] = {"data": data}
        if page:
            answer["paging"] = {"cursors": {"before": str(page[0].id), "after": str(page[-1].id)}}
        if len(found) > limit:
            answer["paging"]["next"] = f"{request.path}?limit={limit}&after={page[-1].id}"
        return Answer(200, as_json(answer))

    # --- Twilio and Vonage

    def _twilio(self, request: Request) -> Taken | Answer:
        found = re.fullmatch(rf"/{twilio.VERSION}/Accounts/([^/]+)/Messages(?:/([^/]+))?\.json", request.path)
        line = self.twilio.get(found[1]) if found else None
        if found is None:
            raise twilio.Refused(20404)
        if line is None:
            raise twilio.Refused(20003)
        if request.method == "POST" and found[2] is None:
            return twilio.judge(line, request, now=self.now(), monotonic=time.monotonic())
        if request.method != "GET":
            raise twilio.Refused(20404)
        twilio.authorise(line, request)
        if found[2] is not None:
            row = self.store.one(found[2], time.time())
            if row is None or row["account"] != line.account.account:
                raise twilio.Refused(20404)
            return Answer(200, as_json(twilio.resource(line.account, row)))
        return self._list_messages(line, request)

    def _list_messages(self, line: twilio.Line, request: Request) -> Answer:
        query = {name: values[-1] for name, values in parse_qs(request.query.decode()).items()}
        size = min(1000, max(1, int(query.get("PageSize", "50")))) if query.get("PageSize", "50").isdigit() else 50
        before = query.get("PageToken", "")
        rows = self.store.find(
            to=query.get("To", ""),
            account=line.account.account,
            inbound=False,
            limit=size + 1,
            before=int(before) if before.isdigit() else None,
            now=time.time(),
        )
        path, page = f"/{request.path.lstrip('/')}", rows[:size]
        more = f"{path}?PageSize={size}&PageToken={page[-1]['id']}" if len(rows) > size else None
        messages = [twilio.resource(line.account, row) for row in page]
        return Answer(
            200, as_json({"messages": messages, "page_size": size, "uri": path, "next_page_uri": more, "page": 0})
        )

    def _vonage(self, request: Request) -> Taken | Answer:
        if request.path != "/sms/json" or request.method != "POST":
            return Answer(404, as_json({"error-code": "404", "error-code-label": "not found"}))
        form = vonage.form_of(request)
        if not form.get("api_key"):
            raise vonage.Refused(2, "api_key")
        line = self.vonage.get(form["api_key"])
        if line is None:
            raise vonage.Refused(4)
        return vonage.judge(line, form, now=self.now(), monotonic=time.monotonic())

    # --- people

    async def hear(
        self, account: Account, person: str, text: str, *, payload: str | None = None, context: str | None = None
    ) -> Message:
        """A person writes to an account, or presses the button with this payload of the message `context`."""
        now, lane = self.now(), f"{account.adapter}:{account.key}"
        message_id = whatsapp.new_id() if isinstance(account, WhatsAppAccount) else "SM" + secrets.token_hex(16)
        sender = account.display_number if isinstance(account, WhatsAppAccount) else account.senders[0]
        message = Message(account.adapter, account.key, message_id, person, sender, text, now, inbound=True)
        if isinstance(account, WhatsAppAccount):
            number = self.numbers[account.key]
            number.windows.forget(now)
            number.windows.meet(person, now)
            body: dict[str, Any] = _whatsapp_inbound(account, message, payload, context)
        elif isinstance(account, TwilioAccount):
            word = twilio.opted(text)
            if word:
                pair = (sender, person)
                (self.twilio[account.key].stopped.add if word == "STOP" else self.twilio[account.key].stopped.discard)(
                    pair
                )
            body = twilio.inbound(account, message, opt_out=word)
        else:
            body = vonage.inbound(account, message)
        report = Report(lane, time.time(), now, "inbound", body=as_json(body).decode())
        await self.keep(message, [report])
        return message


def _whatsapp_inbound(
    account: WhatsAppAccount, message: Message, payload: str | None, context: str | None
) -> dict[str, Any]:
    said: dict[str, Any] = {
        "from": message.person,
        "id": message.message_id,
        "timestamp": str(int(message.at)),
    }
    if context is not None:
        said["context"] = {"from": account.display_number, "id": context}
    if payload is not None:
        said |= {"type": "button", "button": {"payload": payload, "text": message.text}}
    else:
        said |= {"type": "text", "text": {"body": message.text}}
    contacts = [{"profile": {"name": "Warga"}, "wa_id": message.person}]
    return whatsapp.change(account, {"contacts": contacts, "messages": [said]})


def _template_error(refusal: Refusal) -> Answer:
    body = {
        "message": "Invalid parameter",
        "type": "OAuthException",
        "code": 100,
        "error_subcode": refusal.subcode,
        "is_transient": False,
        "error_user_title": refusal.title,
        "error_user_msg": refusal.text,
        "fbtrace_id": secrets.token_urlsafe(8),
    }
    return Answer(400, as_json({"error": body}))


def _refused(provider: str, code: int) -> Answer:
    """A refusal on purpose, with this code."""
    if provider == "whatsapp":
        return whatsapp.error(whatsapp.Refused(code, "On purpose"))
    if provider == "twilio":
        return twilio.error(code)
    return vonage.error(vonage.Refused(code))


def _broken(provider: str, status: int) -> Answer:
    """The provider is not well."""
    if provider == "whatsapp":
        return whatsapp.error(whatsapp.Refused(2 if status == 503 else 131000, "On purpose"))
    if provider == "twilio":
        return twilio.error(20000 + status)
    return Answer(status, b"<html>Service not available</html>", b"text/html")
