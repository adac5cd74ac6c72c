"""Reports on their way to webhooks: signed, repeated as each provider documents it, one line for each account."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urldefrag

import httpx

from deploy.local.providers import twilio, vonage, whatsapp
from deploy.local.providers.accounts import Account, TwilioAccount, VonageAccount, WhatsAppAccount
from deploy.local.providers.store import Due

if TYPE_CHECKING:
    from deploy.local.providers.emulator import Emulator

__all__ = ["Lane"]

GATHER_SECONDS = 0.02
"""WhatsApp's reports wait so long for others to go along."""
WHATSAPP_BATCH_MAX = 1000  # documented: at most so many updates in one webhook
CALLS_MAX = 32
ANSWER_SECONDS = 15.0
BACKOFF_SECONDS_MAX = 60.0
KEPT_SECONDS = 24 * 3600.0


class _Called(NamedTuple):
    """What came of a call: when to try again, None when it is done with; whether it was taken."""

    again: float | None = None
    taken: bool = False


class Lane:
    """Tells one account's webhook what it is to hear, in the order in which it falls due.

    WhatsApp gathers what is due into one call and repeats it, ever more slowly, until it is answered 200. Vonage calls
    for each receipt and repeats it for a day. Twilio calls once, and again only as `twilio.retries` says.
    """

    def __init__(self, name: str, account: Account, emulator: Emulator) -> None:
        self.name = name
        self.account: Account = account
        self.wake = asyncio.Event()
        self.client = httpx.AsyncClient(
            timeout=ANSWER_SECONDS, limits=httpx.Limits(max_connections=CALLS_MAX), verify=False
        )
        self._emulator = emulator
        self._failed = 0
        self.task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        limit = WHATSAPP_BATCH_MAX if isinstance(self.account, WhatsAppAccount) else CALLS_MAX
        loop, store = asyncio.get_running_loop(), self._emulator.store
        while True:
            self.wake.clear()
            rows = await loop.run_in_executor(self._emulator.reading, store.due, self.name, time.time(), limit)
            if rows:
                await self._tell(rows)
                continue
            due = await loop.run_in_executor(self._emulator.reading, store.next_due, self.name)
            wait = None if due is None else max(0.005, due - time.time())
            try:
                await asyncio.wait_for(self.wake.wait(), wait)
            except TimeoutError:
                continue

    async def _tell(self, rows: Sequence[Due]) -> None:
        account = self.account
        if isinstance(account, WhatsAppAccount):
            await self._tell_whatsapp(account, rows)
            return
        outcomes = await asyncio.gather(*(self._call(account, row) for row in rows))
        called = [(row["id"], outcome) for row, outcome in zip(rows, outcomes, strict=True)]
        again = [(one.again, number) for number, one in called if one.again is not None]
        taken = [number for number, one in called if one.taken]
        done = [number for number, one in called if one.again is None]
        await self._emulator.settle(done, again, kept=taken if account.keeps_told else ())

    async def _tell_whatsapp(self, account: WhatsAppAccount, rows: Sequence[Due]) -> None:
        if account.webhook is not None:
            body = whatsapp.webhook(account, rows, now=self._emulator.now())
            headers = {"Content-Type": "application/json", "X-Hub-Signature-256": whatsapp.sign(account, body)}
            try:
                status = (await self.client.post(account.webhook, content=body, headers=headers)).status_code
            except httpx.HTTPError:
                status = 0
            if status != 200:
                self._failed += 1
                await asyncio.sleep(min(BACKOFF_SECONDS_MAX, 0.25 * 2 ** min(self._failed, 12)))
                return
        self._failed = 0
        done = [row["id"] for row in rows]
        await self._emulator.settle(done, kept=done if account.keeps_told and account.webhook is not None else ())
        if len(rows) < WHATSAPP_BATCH_MAX:
            await asyncio.sleep(GATHER_SECONDS)

    async def _call(self, account: Account, row: Due) -> _Called:
        """One call."""
        if isinstance(account, TwilioAccount):
            return await self._call_for_twilio(account, row)
        assert isinstance(account, VonageAccount)
        return await self._call_for_vonage(account, row)

    async def _call_for_twilio(self, account: TwilioAccount, row: Due) -> _Called:
        ready: dict[str, str] | None = json.loads(row["body"]) if row["body"] is not None else None
        url = account.webhook if ready is not None else row["callback"]
        if not url:
            return _Called()
        form = ready or twilio.callback(account, row)
        bare = urldefrag(url).url  # the fragment holds overrides and never leaves
        headers = {"X-Twilio-Signature": twilio.sign(account.token, bare, form)}
        failure: str | None = None
        try:
            status = (await self.client.post(bare, data=form, headers=headers)).status_code
            if status >= 400:
                failure = "5xx" if status >= 500 else "4xx"
        except httpx.ReadTimeout:
            failure = "rt"
        except httpx.HTTPError:
            failure = "ct"
        count, policy = twilio.retries(url)
        if failure is None or failure not in policy or row["tries"] >= count:
            return _Called(taken=failure is None)
        return _Called(again=time.time() + 0.5)

    async def _call_for_vonage(self, account: VonageAccount, row: Due) -> _Called:
        ready: dict[str, str] | None = json.loads(row["body"]) if row["body"] is not None else None
        url = account.inbound if ready is not None else row["callback"] or account.receipts
        if not url:
            return _Called()
        form = vonage.signed(account, ready or vonage.receipt(account, row), now=self._emulator.now())
        given: dict[str, Any] = {"json": form} if account.method == "POST-JSON" else {"data": form}
        try:
            status = (await self.client.post(url, **given)).status_code
        except httpx.HTTPError:
            status = 0
        if 200 <= status < 300 or time.time() - float(row["due"]) > KEPT_SECONDS:
            return _Called(taken=200 <= status < 300)
        return _Called(again=time.time() + min(BACKOFF_SECONDS_MAX, 0.25 * 2.0 ** min(int(row["tries"]), 12)))
