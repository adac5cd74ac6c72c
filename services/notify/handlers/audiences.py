"""Whom a broadcast is for, each by the channel that the router would choose at this moment."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from services.notify.domain.broadcasts import Broadcast, route_of
from services.notify.domain.routing import PAID, address_key, addresses
from services.notify.handlers import templates
from services.notify.rendering import form_key
from services.notify.store import audiences, wishes
from services.notify.store.audiences import Cards, Choice
from services.notify.wording import LANGUAGES
from shared.crypto import Sealer
from shared.db import Connection
from shared.events.notify import Channel


async def find_choice(
    conn: Connection, one: Broadcast, template_version: str, there: Sequence[str], *, sealer: Sealer, now: datetime
) -> Choice:
    """By what the router chooses for these people: the channels in their order, whether each person's own order comes
    before it, forms that there are not, addresses that are not written to. `there`: the channels there are.
    """
    route = route_of(one.channels)
    channels = [channel for channel in there if channel not in PAID] if route is None else route
    order = tuple(channel for channel in channels if channel in there)
    return Choice(
        order,
        route is None,
        await _find_unfit(conn, one.template, template_version, order),
        await _find_closed(conn, one, order, sealer.blind_index, now),
    )


async def _find_unfit(
    conn: Connection, template: str, version: str, order: Sequence[str]
) -> tuple[tuple[str, str], ...]:
    """Each language and channel in which the template has no form, or none that may be sent."""
    unfit = []
    if "whatsapp" in order:
        texts = {(template, version, language) for language in LANGUAGES}
        ready = await templates.find_whatsapp_ready(conn, texts)
        unfit += [(language, "whatsapp") for _, _, language in sorted(texts - ready)]
    if "sms" in order:
        found = await templates.find_template(conn, template, version)
        if found is not None and form_key(LANGUAGES[0], "sms") not in found.sources:
            unfit += [(language, "sms") for language in LANGUAGES]
    return tuple(unfit)


async def _find_closed(
    conn: Connection, one: Broadcast, order: Sequence[str], blind_index: Callable[[str], bytes], now: datetime
) -> tuple[tuple[UUID, str], ...]:
    """Who is not written to on which of these channels. Addresses are only known by what they are remembered by, so
    each is hashed, beside the event loop: three hundred thousand people take some seconds.
    """
    keys = await wishes.find_suppressed_keys(conn, order, now)
    if not any(keys.values()):
        return ()
    closed: list[tuple[UUID, str]] = []
    async with conn.transaction():
        async for cards in audiences.read_cards(conn, one):
            closed += await asyncio.to_thread(_closed, cards, keys, blind_index)
    return tuple(closed)


def _closed(
    cards: Cards, keys: Mapping[Channel, frozenset[bytes]], blind_index: Callable[[str], bytes]
) -> list[tuple[UUID, str]]:
    return [
        (vendor_id, channel)
        for vendor_id, contact in cards
        for channel, address in addresses(contact).items()
        if keys.get(channel) and address_key(blind_index, channel, address) in keys[channel]
    ]
