"""The phones of the demo's people: who has WhatsApp, who would rather have mail, what came, and one who answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import httpx

from deploy.local.processes import StackError

if TYPE_CHECKING:
    from deploy.local.demo.story import Story

__all__ = ["Phones"]

WITHOUT_WHATSAPP = 0.1
MAIL_FIRST = 8
"""Every so many-th vendor says that it would rather have e-mail."""
PAGE = 10_000
YES = "YA"


class Phones:
    """What the emulated WhatsApp and SMS took, and what people write into them."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.talk: list[dict[str, Any]] = []
        """What stands on the phone of who answered by it, the oldest first."""
        self.confirmed = False
        """Whether bazaar confirmed its booth."""
        self._client = httpx.AsyncClient(base_url=url, timeout=30)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def set_up(self, story: Story, seed: int) -> None:
        """Some people have no WhatsApp; those who have it look at it soon. WhatsApp approves every form of ours."""
        faults = {"seed": seed, "unknown_numbers": WITHOUT_WHATSAPP, "sent_ms": 10, "delivered_ms": 50, "read_ms": 200}
        await self._post("/admin/faults?provider=whatsapp", faults)
        forms: list[dict[str, Any]] = []

        async def approved() -> bool:
            nonlocal forms
            forms = await story.doors.items("notify", "/v1/whatsapp-templates")
            return bool(forms) and all(form["status"] == "approved" for form in forms)

        await story.until(
            approved, "WhatsApp to approve the forms of messages", lambda: [form["status"] for form in forms]
        )
        with story.step("WhatsApp approves the forms of messages", len(forms)):
            pass

    async def prefer_mail(self, story: Story) -> None:
        """Some say that they would rather have their messages by e-mail."""
        some = [vendor["vendor_id"] for vendor in story.vendors[::MAIL_FIRST]]

        def one(vendor_id: str) -> Any:
            wish = {"channels": ["email", "whatsapp", "sms"]}
            token = story.doors.vendor(vendor_id)
            return lambda: story.doors.put("notify", f"/v1/wishes/{vendor_id}", wish, token=token)

        with story.step("some would rather have e-mail", len(some)) as step:
            await story.doors.many([one(vendor_id) for vendor_id in some], step)

    # --- an answer

    async def offer_among(self, applications: Sequence[str]) -> tuple[str, dict[str, Any]]:
        """The first of these applications whose offer lies on a WhatsApp phone with its buttons, and that message."""
        offers = {
            button["payload"].rpartition(":")[2]: row
            for row in await self.book()
            for button in row["buttons"]
            if button["title"] == YES and row["status"] != "failed"
        }
        for application in applications:
            if application in offers:
                return application, offers[application]
        raise StackError(f"No offer came by WhatsApp; what came is at {self.url}")

    async def say_yes(self, story: Story, application: str, offer: dict[str, Any]) -> None:
        """Press YA under an offer; bazaar confirms, and the phone hears of it."""
        (pressed,) = [one for one in offer["buttons"] if one["title"] == YES]
        said = {"provider": "whatsapp", "person": offer["person"], "text": YES, "payload": pressed["payload"]}
        await self._post("/admin/inbound", said | {"context": offer["message_id"]})

        async def heard() -> bool:
            self.talk = [row for row in await self.book(offer["person"]) if row["id"] >= offer["id"]]
            return any("booth_confirmed" in (row["template"] or "") for row in self.talk)

        with story.step("one answers YA on the phone", 1):
            await story.until(heard, "the confirmation on the phone that said YA")
        shown = await story.doors.get("bazaar", f"/v1/applications/{application}")
        self.confirmed = shown["state"] == "confirmed"

    # --- what came

    async def is_quiet(self) -> bool:
        """Whether the providers have reported all that they have to report."""
        return not (await self._get("/admin/pending"))

    async def book(self, person: str = "") -> list[dict[str, Any]]:
        """All that went to the phones and came from them, the oldest first."""
        rows: list[dict[str, Any]] = []
        while True:
            after = rows[-1]["id"] if rows else 0
            page = (await self._get("/admin/messages", to=person, limit=PAGE, after=after))["messages"]
            rows += page
            if len(page) < PAGE:
                return rows

    async def figures(self) -> dict[str, Any]:
        """What the books say: how many arrived by each channel, were refused, are doubled; and some in their words."""
        rows, counted = await self.book(), await self._get("/admin/count")
        out = [row for row in rows if not row["inbound"]]
        arrived = [row for row in out if row["status"] != "failed"]
        return {
            "phones": len({row["person"] for row in arrived}),
            "arrived": dict(Counter(_channel(row) for row in arrived)),
            "refused": dict(Counter(f"{_channel(row)} {row['code']}" for row in out if row["status"] == "failed")),
            "duplicates": counted["duplicate_texts"] + counted["duplicate_references"],
            "shown": [_shown(row) for row in [*self.talk, *_samples(arrived)]],
        }

    async def _get(self, path: str, **query: Any) -> Any:
        answer = await self._client.get(path, params=query)
        answer.raise_for_status()
        return answer.json()

    async def _post(self, path: str, body: dict[str, Any]) -> None:
        (await self._client.post(path, json=body)).raise_for_status()


def _channel(row: dict[str, Any]) -> str:
    return "whatsapp" if row["provider"] == "whatsapp" else "sms"


def _samples(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One who waits, on WhatsApp; and an offer as SMS."""
    waits = [row for row in rows if "applicant_queued" in (row["template"] or "")]
    offers = [row for row in rows if _channel(row) == "sms" and "Balas YA" in row["text"]]
    return [*waits[:1], *offers[:1]]


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "phone": f"+{row['person']}",
        "channel": _channel(row),
        "at": row["at"],
        "inbound": row["inbound"],
        "words": row["text"],
        "status": row["status"],
    }
