"""Where each message of a batch goes: what is known of the recipients is read at once, each is decided by itself."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from services.notify.domain import delivery as delivery_domain
from services.notify.domain.routing import (
    WRITTEN_BACK,
    Decision,
    Inbox,
    Person,
    Queue,
    Refuse,
    Rules,
    Wait,
    address_key,
    addresses,
    decide,
)
from services.notify.domain.wishes import NO_WISHES
from services.notify.handlers import templates
from services.notify.handlers.delivery import save_settlements
from services.notify.rendering import form_key
from services.notify.store import keys, replies, routing, wishes
from services.notify.store.routing import Delay, Planned, Way
from services.notify.store.wishes import Address
from services.notify.wording import LANGUAGES
from shared.crypto import Sealer
from shared.db import Connection
from shared.events.notify import Channel

JUST_WRITTEN = timedelta(minutes=30)


class Decided(NamedTuple):
    """A message, where it goes, and in which language: None where there is no card."""

    planned: Planned
    decision: Decision
    language: str | None


async def decide_all(
    conn: Connection, planned: Sequence[Planned], *, rules: Rules, sealer: Sealer, now: datetime
) -> list[Decided]:
    """Where these messages, which are locked, go."""
    if not planned:
        return []
    members = await wishes.find_members(conn, {one.standing.vendor_id for one in planned})
    wanted = await wishes.find_wishes(conn, members)
    news = {one.standing.vendor_id: members[one.standing.vendor_id] for one in planned if one.case.topic == "news"}
    consented = await wishes.find_consented(conn, news) if news else set()
    reached = {
        one.case.id: {
            channel: Address(channel, address_key(sealer.blind_index, channel, address))
            for channel, address in addresses(one.contact).items()
            if channel in rules.channels
        }
        for one in planned
        if one.contact is not None
    }
    for one in planned:  # few: a team tries things out
        if one.case.mode == "team" and (ways := reached.get(one.case.id)):
            team = await keys.find_team_channels(conn, {channel: address.key for channel, address in ways.items()})
            reached[one.case.id] = {channel: address for channel, address in ways.items() if channel in team}
    languages = {
        one.case.id: wanted.get(one.standing.vendor_id, NO_WISHES).language or one.contact.language
        for one in planned
        if one.contact is not None
    }
    unfit = await _find_unfit(conn, planned, languages, rules)
    wrote = await _find_written_back(conn, planned, now)
    closed = await wishes.find_suppressed(conn, {one for ways in reached.values() for one in ways.values()}, now)
    decided = []
    for one in planned:
        person = None
        if one.contact is not None:
            ways = reached[one.case.id]
            vendor_id = one.standing.vendor_id
            person = Person(
                frozenset(ways),
                {channel: closed[address] for channel, address in ways.items() if address in closed},
                unfit[one.case.template, one.template_version, languages[one.case.id]],
                wanted.get(vendor_id, NO_WISHES),
                vendor_id in consented,
                one.case.id in wrote,
            )
        decided.append(Decided(one, decide(one.case, person, rules, now), languages.get(one.case.id)))
    return decided


async def apply_all(conn: Connection, decided: Sequence[Decided], now: datetime) -> None:
    """Let it be so: queued, waiting, in the inbox or refused."""
    ways, delays, settlements = [], [], []
    for planned, decision, language in decided:
        standing = planned.standing
        match decision:
            case Queue(channel, route):
                ways.append(Way(standing.id, channel, route, language))
            case Wait(until, because):
                delays.append(Delay(standing.id, until, because))
            case Inbox():
                settlements.append(delivery_domain.place_in_inbox(standing))
            case Refuse(reason):
                settlements.append(delivery_domain.refuse(standing, reason))
    if ways:
        await routing.save_ways(conn, ways)
    if delays:
        await routing.save_delays(conn, delays)
    await save_settlements(conn, settlements, now)


async def _find_written_back(conn: Connection, planned: Sequence[Planned], now: datetime) -> set[UUID]:
    """Messages that tell what came of an answer which was written a moment ago."""
    about = {
        one.case.id: one.case.application_id
        for one in planned
        if one.case.template in WRITTEN_BACK and one.case.application_id is not None
    }
    answered = await replies.find_answered(conn, list(about.values()), now - JUST_WRITTEN) if about else set()
    return {case_id for case_id, application_id in about.items() if application_id in answered}


async def _find_unfit(
    conn: Connection, planned: Sequence[Planned], languages: Mapping[UUID, str], rules: Rules
) -> dict[tuple[str, str, str], frozenset[Channel]]:
    """Of each (template, version, language) the channels on which it cannot go: it has no form for them, or one that
    WhatsApp has not approved.
    """
    texts = {
        (one.case.template, one.template_version, languages[one.case.id]) for one in planned if one.case.id in languages
    }
    ready = await templates.find_whatsapp_ready(conn, texts) if "whatsapp" in rules.channels else texts
    unfit = {}
    for text in texts:
        found: set[Channel] = set() if text in ready else {"whatsapp"}
        if "sms" in rules.channels:
            template = await templates.find_template(conn, text[0], text[1])
            if template is not None and form_key(LANGUAGES[0], "sms") not in template.sources:
                found.add("sms")
        unfit[text] = frozenset(found)
    return unfit
