"""What training does with what the registry tells of partners and their agreements (DOMAIN B1)."""

from collections.abc import Sequence
from datetime import datetime

from services.training.handlers import providers
from shared.consume import Many, Received
from shared.db import Connection
from shared.events.envelope import Message
from shared.events.programme import PartnerAgreementEnded, PartnerAgreementMade


async def on_made(conn: Connection, received: Sequence[Received[PartnerAgreementMade]], now: datetime) -> None:
    """Partners agreed with the programme."""
    await providers.make_agreements(conn, [one.body for one in received], now=now)


async def on_ended(conn: Connection, received: Sequence[Received[PartnerAgreementEnded]], now: datetime) -> None:
    """Agreements ended."""
    await providers.end_agreements(conn, [one.body for one in received], now=now)


ON_MANY: dict[type[Message], Many] = {PartnerAgreementMade: on_made, PartnerAgreementEnded: on_ended}
