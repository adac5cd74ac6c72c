"""What people write to us: taken once, understood or given to an officer, answered.

A reply's sender is locked first, so of two that come at once one is second: the same message is taken once, and a
second YA finds the first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias
from uuid import UUID

from services.notify.domain.answers import Ask, PassOn, Question, Say, Unsure, answer_offer, schedule, why
from services.notify.domain.replies import Meaning, read_button, understand
from services.notify.domain.reports import Reply
from services.notify.domain.routing import address_key, normalised
from services.notify.domain.standings import ApplicationStanding
from services.notify.handlers import wishes
from services.notify.handlers.changes import ROUTE_ANEW
from services.notify.handlers.templates import choose_versions
from services.notify.plans import Lane
from services.notify.store import replies as store
from services.notify.store import standings
from services.notify.store.erasures import PEOPLE
from services.notify.store.replies import About, Echo, Kept
from shared import families
from shared.clock import day_in_jakarta
from shared.crypto import Sealer
from shared.db import Connection
from shared.events.bazaar import OfferResponseRefused, RespondToOffer
from shared.events.notify import Channel, Intent, ReplyReceived
from shared.ids import new_id
from shared.outbox import Fact, record, record_command
from shared.timers import set_timer

WINDOW = timedelta(hours=24)
"""So long after a person's message WhatsApp lets us write freely."""
ECHOES_PER_HOUR_MAX = 6
"""So often we answer an address by ourselves: whoever answers faster may be a machine that answers ours."""
QUESTION_STANDS = timedelta(hours=24)
OF_USE = timedelta(hours=2)
"""An answer that could not leave by then is one to a question forgotten."""
TEXT_CHARS_MAX = 4000

OFFERS = ("booth-assigned", "booth-offer-expiring")
"""Templates that a YA or TIDAK answers."""

Family: TypeAlias = tuple[UUID, ...]
"""The ids of one person."""


@dataclass(frozen=True)
class Sender:
    """Who may have written: the ids with this address in their card, and the families they belong to."""

    address: str
    key: bytes
    cards: Sequence[UUID]
    people: Sequence[Family]

    @property
    def locks(self) -> list[str]:
        """By what everything about this sender comes one after the other: the address, and whoever may be it."""
        return [self.key.hex(), *(str(min(person)) for person in self.people)]


@dataclass(frozen=True)
class Taken:
    """What became of a reply at once. `person`: the ids of who wrote it, where that is known."""

    intent: Intent
    person: Family | None
    application_id: UUID | None = None
    say: Say | None = None
    queued: bool = False
    pass_on: PassOn | None = None


async def receive(conn: Connection, replies: Sequence[Reply], *, sealer: Sealer, now: datetime) -> int:
    """Take what people wrote, each message of a provider once; how many were new."""
    if not replies:
        return 0
    await families.share_people(conn, PEOPLE)
    senders = await _find_senders(conn, replies, sealer)
    await store.lock_senders(conn, [lock for sender in senders for lock in sender.locks])
    taken = 0
    for reply, sender in zip(replies, senders, strict=True):
        if not await store.is_taken(conn, reply.provider, reply.message_id):
            await _take(conn, reply, sender, sealer=sealer, now=now)
            taken += 1
    return taken


async def _find_senders(conn: Connection, replies: Sequence[Reply], sealer: Sealer) -> list[Sender]:
    addresses = [normalised(reply.channel, reply.address) for reply in replies]
    cards = await store.find_senders(conn, list(set(addresses)))
    persons = await families.find_persons(conn, [vendor for vendors in cards.values() for vendor in vendors])
    senders = []
    for reply, address in zip(replies, addresses, strict=True):
        mine = cards.get(address, [])
        heads = {persons.get(vendor_id, vendor_id) for vendor_id in mine}
        people = [tuple(await families.find_family(conn, head)) for head in sorted(heads)]
        senders.append(Sender(address, address_key(sealer.blind_index, reply.channel, address), mine, people))
    return senders


async def _take(conn: Connection, reply: Reply, sender: Sender, *, sealer: Sealer, now: datetime) -> None:
    reply_id = new_id()
    if reply.channel == "whatsapp":
        await store.open_window(conn, reply.provider, sender.key, min(reply.at, now) + WINDOW)
    about = None if reply.in_reply_to is None else await store.find_about(conn, reply.provider, reply.in_reply_to)
    taken = await _act(conn, reply_id, reply, sender, about, now=now)
    await wishes.note_reachable(conn, reply.channel, sender.key, now=now)
    echoes = taken.say is not None or taken.queued
    quiet = echoes and await store.count_echoes(conn, sender.key, now - timedelta(hours=1)) >= ECHOES_PER_HOUR_MAX
    queued = taken.queued or (quiet and taken.say is not None)
    say, waits = taken.say, False
    if taken.person is None or quiet:
        say = None
    elif say is None and queued and not await store.was_told_to_wait(conn, sender.key, now - timedelta(days=1)):
        say, waits = Say("reply-wait"), True
    writer = None if taken.person is None else _card_of(sender, taken.person)
    kept = Kept(
        reply_id=reply_id,
        reply=reply,
        address_key=sender.key,
        vendor_id=writer,
        candidates=sender.cards if writer is None else (),
        intent=taken.intent,
        about_notification_id=None if about is None else about.notification_id,
        application_id=taken.application_id,
        text_sealed=sealer.seal(reply.text[:TEXT_CHARS_MAX].encode(), reply_id.bytes),
        state="open" if queued else "handled",
        echoed=say is not None,
        told_to_wait=waits,
    )
    await store.add_reply(conn, kept, now)
    if taken.pass_on is not None:
        await _pass_on(conn, reply_id, taken.pass_on, now=now)
    if say is not None and writer is not None:
        await send_back(conn, reply_id, writer, say, channels=[reply.channel], now=now)
    event = ReplyReceived(
        reply_id=reply_id,
        vendor_id=writer,
        channel=reply.channel,
        intent=taken.intent,
        about_notification_id=kept.about_notification_id,
        queued=queued,
    )
    await record(conn, [Fact(event, 1)], now=now)


def _card_of(sender: Sender, person: Family) -> UUID:
    """The id of this person whose card has the address that wrote: what is sent to it arrives where it came from."""
    return next(vendor_id for vendor_id in sender.cards if vendor_id in person)


# --- what is meant, and what is done


async def _act(
    conn: Connection, reply_id: UUID, reply: Reply, sender: Sender, about: About | None, *, now: datetime
) -> Taken:
    meaning, named = _meaning_of(reply)
    if meaning.intent in ("stop", "start"):
        return await _stop_or_start(conn, reply_id, reply, sender, meaning.intent, now=now)
    application_id = named or (None if about is None else about.application_id)
    mine = {person: await standings.find_applications(conn, person) for person in sender.people}
    person = _who(meaning, mine, application_id, about, now)
    if person is None:
        return Taken(meaning.intent, None, queued=True)
    applications = mine[person]
    own = application_id if any(one.application_id == application_id for one in applications) else None
    match meaning.intent:
        case "why":
            return Taken("why", person, own, why(applications, own))
        case "schedule":
            classes = await standings.find_classes(conn, person, day_in_jakarta(now))
            return Taken("schedule", person, None, schedule(applications, classes, now))
        case _:
            if about is not None and about.template not in OFFERS and not about.template.startswith("reply-"):
                return Taken(meaning.intent, person, own, queued=True)  # a yes to something else
            answers_offer = named or (about.application_id if about is not None else None)
            return await _answer_offer(conn, person, meaning, applications, answers_offer, now=now)


def _meaning_of(reply: Reply) -> tuple[Meaning, UUID | None]:
    """What is meant, and the application that a button names."""
    if reply.button is None:
        return understand(reply.text), None
    intent, about = read_button(reply.button)
    return Meaning(intent), about


def _who(
    meaning: Meaning,
    mine: Mapping[Family, Sequence[ApplicationStanding]],
    application_id: UUID | None,
    about: About | None,
    now: datetime,
) -> Family | None:
    """Who of those with this address wrote: the one whose message is answered, else the one with an open offer."""
    people = list(mine)
    if len(people) > 1 and about is not None:
        people = [person for person in people if about.vendor_id in person]
    if len(people) > 1 and application_id is not None:
        people = [person for person in people if any(one.application_id == application_id for one in mine[person])]
    if len(people) > 1 and meaning.intent in ("accept", "decline"):
        people = [person for person in people if any(one.open_at(now) for one in mine[person])]
    return people[0] if len(people) == 1 else None


async def _answer_offer(
    conn: Connection,
    person: Family,
    meaning: Meaning,
    applications: Sequence[ApplicationStanding],
    about: UUID | None,
    *,
    now: datetime,
) -> Taken:
    question = await store.find_question(conn, person, now)
    step = answer_offer(
        meaning,
        applications,
        about=about,
        question=question,
        pending=await store.find_pending(conn, person),
        now=now,
    )
    intent = meaning.intent
    if meaning.number is not None and question is not None and not isinstance(step, Unsure):
        intent = question.answer
    match step:
        case Unsure():
            return Taken(meaning.intent, person, queued=True)
        case Ask(answer, offers):
            say = step.say()
            asked = Question(answer, [one.application_id for one in offers[: len(say.params["offers"])]])
            await store.save_question(conn, min(person), asked, now + QUESTION_STANDS)
            return Taken(intent, person, None, say)
        case Say():
            return Taken(intent, person, about, step)
        case PassOn():
            await store.remove_question(conn, person)
            return Taken(step.answer, person, step.application_id, pass_on=step)


async def _pass_on(conn: Connection, reply_id: UUID, step: PassOn, *, now: datetime) -> None:
    """Send an answer to bazaar. What it makes of it comes back as an event."""
    command_id = new_id()
    await store.add_offer_answer(
        conn,
        command_id,
        reply_id,
        application_id=step.application_id,
        vendor_id=step.vendor_id,
        answer=step.answer,
        now=now,
    )
    command = RespondToOffer(
        application_id=step.application_id,
        vendor_id=step.vendor_id,
        answer="confirm" if step.answer == "accept" else "decline",
    )
    await record_command(conn, command, command_id, now=now)


async def _stop_or_start(
    conn: Connection, reply_id: UUID, reply: Reply, sender: Sender, intent: Intent, *, now: datetime
) -> Taken:
    """Messages to this address over this channel end, or begin again; whoever uses the address. Confirmed once."""
    writers = [_card_of(sender, person) for person in sender.people]
    if not writers:
        if intent == "stop":
            await wishes.suppress(conn, reply.channel, sender.key, "stopped", evidence=f"reply {reply_id}", now=now)
        return Taken(intent, None)
    # several people with one phone: what holds for the address is told of one, and holds for what waits for the others
    if intent == "stop":
        changed = await wishes.stop_channel(
            conn, writers[0], reply.channel, sender.key, by="reply", evidence=f"reply {reply_id}", now=now
        )
    else:
        changed = await wishes.resume_channel(conn, writers[0], reply.channel, sender.key, by="reply", now=now)
    for other in writers[1:] if changed else ():
        await set_timer(conn, ROUTE_ANEW, str(other), now)
    say = Say("reply-stopped" if intent == "stop" else "reply-started", {"channel": reply.channel})
    return Taken(intent, sender.people[0], None, say if changed or intent == "start" else None)


# --- what goes back


async def send_back(
    conn: Connection,
    reply_id: UUID,
    vendor_id: UUID,
    say: Say,
    *,
    channels: Sequence[Channel],
    now: datetime,
    lane: Lane = Lane.OFFER,
    of_use_until: datetime | None = None,
) -> None:
    """Plan what is said in return to this reply, over these channels in order."""
    version = (await choose_versions(conn, [say.template], now=now))[say.template]
    deadline = of_use_until or now + OF_USE
    await store.add_echo(
        conn, Echo(reply_id, vendor_id, say.template, version, say.params, lane, channels, deadline), now
    )


async def explain_refusals(conn: Connection, refusals: Sequence[OfferResponseRefused], *, now: datetime) -> None:
    """Bazaar did not take answers that were passed on: whoever gave them hears why."""
    await families.share_people(conn, PEOPLE)
    for refusal in sorted(refusals, key=lambda one: one.command_id):  # as others lock these rows
        answer = await store.refuse_offer_answer(conn, refusal.command_id, refusal.code, now)
        if answer is None:
            continue
        application = await standings.find_application(conn, answer.application_id)
        shown = {
            "answer": answer.answer,
            "code": refusal.code,
            "state": None if application is None else application.state,
            "bazaar_name": None if application is None else application.bazaar_name,
        }
        ways: list[Channel] = [answer.channel] if answer.channel == "sms" else [answer.channel, "sms"]
        await send_back(
            conn,
            answer.reply_id,
            answer.writer,
            Say("reply-offer-refused", shown),
            channels=ways,
            now=now,
            of_use_until=now + WINDOW,
        )
