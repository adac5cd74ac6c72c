"""People with phones: whoever is offered a booth says YA, TIDAK or nothing, by the channel on which it heard of it.

Who says what follows from the seed and the number. An answer whose fate is unknown is looked up in the provider's book
before it is given again, as a person sees on the phone whether a message left.
"""

import asyncio
import random
from contextlib import suppress
from typing import Any

import httpx

from tests.chaos.load import ROUND_NAME

__all__ = ["People"]

POLL_SECONDS = 1.0
PAGE = 500
YES_SHARE = 0.5
NO_SHARE = 0.25
BUTTON_SHARE = 0.5
REACHED = ("delivered", "read")


class People:
    """Everybody with a phone."""

    def __init__(self, providers_url: str, seed: int) -> None:
        self._url = providers_url
        self._seed = seed
        self._seen = 0
        self._asked: set[str] = set()
        self._answered: set[str] = set()

    @property
    def offered(self) -> int:
        """How many were offered a booth on the phone."""
        return len(self._asked)

    @property
    def has_answered(self) -> bool:
        """Whether each of them said what it has to say."""
        return self._asked <= self._answered

    async def answer(self) -> None:
        """Look at the phones and answer, again and again until cancelled."""
        async with httpx.AsyncClient(base_url=self._url, timeout=10, verify=False) as client:
            while True:
                with suppress(httpx.HTTPError):  # the providers die too
                    await self._look(client)
                    for person in sorted(self._asked - self._answered):
                        await self._say(client, person)
                await asyncio.sleep(POLL_SECONDS)

    async def _look(self, client: httpx.AsyncClient) -> None:
        while True:
            answer = await client.get("/admin/messages", params={"after": self._seen, "limit": PAGE})
            page = answer.raise_for_status().json()["messages"]
            for one in page:
                self._seen = one["id"]
                if not one["inbound"] and _is_offer(one):
                    self._asked.add(one["person"])
            if len(page) < PAGE:
                return

    async def _say(self, client: httpx.AsyncClient, person: str) -> None:
        chance = random.Random(f"{self._seed}/{person}/answer")
        drawn, presses = chance.random(), chance.random() < BUTTON_SHARE
        if drawn > YES_SHARE + NO_SHARE:
            self._answered.add(person)
            return
        word = "YA" if drawn < YES_SHARE else "TIDAK"
        answer = await client.get("/admin/messages", params={"to": person, "limit": PAGE})
        there = answer.raise_for_status().json()["messages"]
        copies = [one for one in there if not one["inbound"] and _is_offer(one)]
        offers = [one for one in copies if one["status"] in REACHED]
        if all(one["status"] == "failed" for one in copies):
            self._asked.discard(person)  # it knows of nothing, unless another copy comes
        if not offers:
            return
        if not any(one["inbound"] for one in there):
            offer = offers[0]
            said = {"provider": offer["provider"], "person": person, "text": word}
            if offer["provider"] == "whatsapp" and presses:
                said |= {"payload": _titles(offer)[word], "context": offer["message_id"]}
            (await client.post("/admin/inbound", json=said)).raise_for_status()
        self._answered.add(person)


def _is_offer(message: dict[str, Any]) -> bool:
    """Whether this offers a booth of the round: with buttons, or with the words for an answer by SMS."""
    asks = "YA" in _titles(message) or "Balas YA atau TIDAK" in message["text"]
    return asks and ROUND_NAME in message["text"]


def _titles(message: dict[str, Any]) -> dict[str, str]:
    """What the buttons say, and what pressing each sends. Who only waits has one too, and it asks why."""
    return {one["title"]: one["payload"] for one in message["buttons"]}
