"""What tests of wishes, routing, digests and the inbox share: a desk with its HTTP door, and a router with rules."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, time
from typing import Any
from uuid import UUID, uuid4

import httpx

from services.notify.domain.hours import Hours
from services.notify.domain.routing import Rules, address_key
from services.notify.handlers.routing import route_planned
from services.notify.handlers.stopping import stop_url
from shared.auth import LocalIssuer
from shared.events.bazaar import BoothAssigned
from shared.events.documents import DocumentVerified
from shared.events.programme import AffiliationLapsed
from shared.events.rights import ConsentGiven, ConsentWithdrawn
from shared.events.training import TrainingCompleted
from shared.events.vendor import VendorMerged, VendorRegistered
from shared.ids import new_id
from tests.conftest import StandingClock
from tests.integration.notify import Desk, card, offer

KARANG_ANYAR = "31.71.02.1002"
ALL = Rules(("whatsapp", "sms", "email"))
PAUSES = Rules(ALL.channels, Hours((time(21), time(6)), (time(11, 30), time(13)), feasts=True))
DIGESTS = Rules(ALL.channels, digest_times=(time(16),))


@dataclass
class House:
    """A desk with its HTTP door."""

    desk: Desk
    client: httpx.AsyncClient
    issuer: LocalIssuer
    clock: StandingClock

    async def settle_in(self, *vendors: UUID, email: str | None = "", language: str = "id") -> None:
        """These people are registered and have cards."""
        await self.desk.hear(
            *(registered(one) for one in vendors), *(card(one, email, language=language) for one in vendors)
        )
        async with self.desk.database.transaction() as conn:  # welcomes are of no interest here
            await conn.execute("DELETE FROM notification")

    async def route(self, rules: Rules = ALL, limit: int = 500) -> int:
        """Route as a replica does, until nothing moves."""
        moved = 0
        while True:
            async with self.desk.database.transaction() as conn:
                count = await route_planned(
                    conn, rules=rules, sealer=self.desk.sealer, limit=limit, now=self.desk.clock.now()
                )
            moved += count
            if not count:
                return moved

    async def told(self) -> dict[str, tuple[str, str | None, Sequence[str] | None]]:
        """Template -> state, channel, channels after it."""
        return {row["template"]: (row["state"], row["channel"], row["route"]) for row in await self.desk.rows()}

    async def query(self, sql: str, *arguments: Any) -> list[dict[str, Any]]:
        """Rows of the database."""
        async with self.desk.database.read() as conn:
            return [dict(row) for row in await conn.fetch(sql, *arguments)]

    def key(self, channel: Any, address: str) -> bytes:
        """By what an address is remembered."""
        return address_key(self.desk.sealer.blind_index, channel, address)

    def link(self, vendor: UUID, topic: str | None = "training", notification_id: UUID | None = None) -> str:
        """The path of a stop link."""
        url = stop_url(
            "http://service",
            self.desk.sealer,
            vendor_id=vendor,
            notification_id=notification_id or new_id(),
            topic=topic,
            now=self.desk.clock.now(),
        )
        return url.removeprefix("http://service")

    def token(self, role: str, vendor: UUID | None = None, area: str | None = "31.71") -> dict[str, str]:
        """Headers of a caller."""
        token = self.issuer.token(f"{role}-1", [role], area=area if role == "officer" else None, vendor_id=vendor)
        return {"Authorization": f"Bearer {token}", "Idempotency-Key": str(uuid4())}

    async def put(self, vendor: UUID, body: dict[str, Any], headers: dict[str, str] | None = None) -> httpx.Response:
        """Change wishes, as the person itself unless another caller is given."""
        headers = headers or self.token("vendor", vendor)
        return await self.client.put(f"/v1/wishes/{vendor}", json=body, headers=headers)

    async def get(self, path: str, headers: dict[str, str], **query: Any) -> httpx.Response:
        """GET."""
        return await self.client.get(path, params=query, headers=headers)

    async def post(self, path: str, body: dict[str, Any] | None, headers: dict[str, str]) -> httpx.Response:
        """POST."""
        return await self.client.post(path, json=body, headers=headers)


def registered(vendor: UUID, kelurahan: str = KARANG_ANYAR) -> VendorRegistered:
    return VendorRegistered(
        vendor_id=vendor,
        kind="usaha",
        kelurahan=kelurahan,
        rw="001",
        rt="001",
        origin="file",
        registered_on=date(2023, 3, 1),
    )


def merged(vendor: UUID, into: UUID) -> VendorMerged:
    return VendorMerged(vendor_id=vendor, into=into, merge_id=new_id())


def consented(vendor: UUID) -> ConsentGiven:
    return ConsentGiven(vendor_id=vendor, purpose="messages")


def withdrawn(vendor: UUID) -> ConsentWithdrawn:
    return ConsentWithdrawn(vendor_id=vendor, purpose="messages")


def completed(vendor: UUID, title: str = "Dasar Kewirausahaan") -> TrainingCompleted:
    """A message of training that may wait for the digest."""
    return TrainingCompleted(
        vendor_id=vendor,
        class_id=new_id(),
        course="dasar",
        title=title,
        completed_on=date(2023, 3, 1),
        sessions_attended=4,
        sessions_held=4,
    )


def verified(vendor: UUID) -> DocumentVerified:
    """A message on documents that may wait for the digest."""
    return DocumentVerified.model_validate(
        {"vendor_id": vendor, "document_id": new_id(), "kind": "nib", "expires_on": "2024-03-01"}
    )


def lapsed(vendor: UUID) -> AffiliationLapsed:
    """A message on the programme that may wait for the digest."""
    return AffiliationLapsed.model_validate(
        {"vendor_id": vendor, "affiliation_id": new_id(), "organisation": "Kadin", "expired_on": "2023-03-01"}
    )


def urgent(house: House, vendor: UUID, hours: float = 48) -> BoothAssigned:
    """An offer."""
    return offer(vendor, house.desk.clock.now(), hours)
