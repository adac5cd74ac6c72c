"""People who change while messages to them wait: what is locked, marked, taken out of digests, and told already."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.notify.domain.delivery import UNSENT, Standing
from services.notify.domain.doubles import Twin
from services.notify.plans import DIGEST
from services.notify.store.delivery import standing
from shared.db import Connection
from shared.events.notify import Channel
from shared.events.training import OrganisationCard
from shared.events.vendor import ContactCard

UNDER_WAY = ("sending", "unknown")
"""States of messages whose attempt may yet turn out not to have left."""


class CardChange(NamedTuple):
    """A card that says something else than before. `gained`: the channels that lead to an address which was not there
    before.
    """

    vendor_id: UUID
    gained: tuple[Channel, ...]


async def find_card_changes(conn: Connection, cards: Mapping[UUID, ContactCard | OrganisationCard]) -> list[CardChange]:
    """Of these cards, before they are kept, those that reach a known person elsewhere or in another language."""
    rows = await conn.fetch(
        "SELECT c.vendor_id, new.phone IS NOT NULL AND new.phone IS DISTINCT FROM c.phone AS phone, "
        "new.email IS NOT NULL AND new.email IS DISTINCT FROM c.email AS email "
        "FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) AS new (vendor_id, phone, email, language) "
        "JOIN contact AS c ON c.vendor_id = new.vendor_id "
        "WHERE (new.phone, new.email, new.language) IS DISTINCT FROM (c.phone, c.email, c.language)",
        list(cards),
        [card.phone for card in cards.values()],
        [card.email for card in cards.values()],
        [card.language for card in cards.values()],
    )
    ways: tuple[tuple[str, tuple[Channel, ...]], ...] = (("phone", ("whatsapp", "sms")), ("email", ("email",)))
    return [
        CardChange(row["vendor_id"], tuple(one for name, channels in ways if row[name] for one in channels))
        for row in rows
    ]


async def lock_messages(
    conn: Connection, vendor_ids: Collection[UUID], *, waiting: Collection[UUID] = ()
) -> list[UUID]:
    """Lock whatever of these vendors has not left for certain, and the digests that tell of their messages; in the
    order of ids, waiting for who holds one. `waiting`: of these vendors too what waits for their card.
    """
    rows = await conn.fetch(
        "SELECT n.id FROM notification AS n WHERE n.state = ANY($2::text[]) AND n.id IN ("
        "SELECT id FROM notification WHERE vendor_id = ANY($1::uuid[]) AND state = ANY($2::text[]) "
        "UNION SELECT digest_id FROM notification WHERE vendor_id = ANY($1::uuid[]) AND state = 'digested' "
        "UNION SELECT id FROM notification WHERE vendor_id = ANY($3::uuid[]) AND state = 'waiting_contact') "
        "ORDER BY n.id FOR UPDATE OF n",
        list(vendor_ids),
        [*UNSENT, *UNDER_WAY],
        list(waiting),
    )
    return [row["id"] for row in rows]


async def lock_everything(conn: Connection, vendor_ids: Collection[UUID]) -> list[UUID]:
    """Lock all messages of these vendors, and the digests that tell of them, in the order in which everybody locks
    several: what was told within digests comes last. Gives the digests.
    """
    rows = await conn.fetch(
        "SELECT n.id, n.template, n.digest_id FROM notification AS n WHERE n.id IN ("
        "SELECT id FROM notification WHERE vendor_id = ANY($1::uuid[]) "
        "UNION SELECT digest_id FROM notification WHERE vendor_id = ANY($1::uuid[]) AND digest_id IS NOT NULL) "
        "ORDER BY n.digest_id IS NOT NULL, n.id FOR UPDATE OF n",
        list(vendor_ids),
    )
    digests = {row["id"] if row["template"] == DIGEST else row["digest_id"] for row in rows}
    return sorted(one for one in digests if one is not None)


async def mark(conn: Connection, notification_ids: Sequence[UUID]) -> None:
    """Have those of these messages whose attempt is under way, which are locked, routed anew should they come back."""
    await conn.execute(
        "UPDATE notification SET anew = true WHERE id = ANY($1::uuid[]) AND state = ANY($2::text[]) AND NOT anew",
        notification_ids,
        list(UNDER_WAY),
    )


async def take_marks(conn: Connection, notification_ids: Sequence[UUID]) -> list[UUID]:
    """Which of these messages, which are locked, are marked; they are no more."""
    rows = await conn.fetch(
        "UPDATE notification SET anew = false WHERE id = ANY($1::uuid[]) AND anew RETURNING id", notification_ids
    )
    return [row["id"] for row in rows]


async def widen_routes(conn: Connection, notification_ids: Sequence[UUID], changes: Sequence[CardChange]) -> None:
    """Let messages that keep to what was left of their channels, which are locked, also go to addresses that are new.

    Not: answers, digests, what a key asked for, and what perhaps arrived on a channel that keeps silent; a broadcast
    keeps to its channels, and SMS is used for many only where that is said.
    """
    gained = [one for one in changes if one.gained]
    if not gained:
        return
    await conn.execute(
        "UPDATE notification AS n SET route = n.route || ARRAY("
        "SELECT way FROM unnest(string_to_array(new.ways, ',')) AS way WHERE way <> ALL (n.route) "
        "AND (n.broadcast_id IS NULL OR way = ANY (SELECT unnest(b.channels) FROM broadcast AS b "
        "WHERE b.broadcast_id = n.broadcast_id))) "
        "FROM unnest($2::uuid[], $3::text[]) AS new (vendor_id, ways) "
        "WHERE n.id = ANY($1::uuid[]) AND n.vendor_id = new.vendor_id AND n.route IS NOT NULL AND NOT n.silent "
        "AND n.asked_by IS NULL AND n.template <> $4 AND NOT starts_with(n.template, 'reply-') "
        "AND n.state IN ('planned', 'deferred', 'held')",
        notification_ids,
        [one.vendor_id for one in gained],
        [",".join(one.gained) for one in gained],
        DIGEST,
    )


# --- digests


async def lock_digests(conn: Connection, vendor_ids: Collection[UUID]) -> tuple[list[Standing], bool]:
    """Lock the digests to these vendors, and those that tell of their messages, which have not begun to leave; whether
    that is all: what somebody else holds is passed over.
    """
    found = await conn.fetch(
        "SELECT n.id FROM notification AS n WHERE n.template = $3 AND n.state = ANY($2::text[]) AND n.id IN ("
        "SELECT id FROM notification WHERE vendor_id = ANY($1::uuid[]) AND template = $3 "
        "UNION SELECT digest_id FROM notification WHERE vendor_id = ANY($1::uuid[]) AND state = 'digested')",
        list(vendor_ids),
        list(UNSENT),
        DIGEST,
    )
    if not found:
        return [], True
    rows = await conn.fetch(
        "SELECT id FROM notification WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE SKIP LOCKED",
        [row["id"] for row in found],
    )
    return await find_digests(conn, [row["id"] for row in rows]), len(rows) == len(found)


async def find_digests(conn: Connection, notification_ids: Sequence[UUID]) -> list[Standing]:
    """Those of these messages, which are locked, that are digests and have not begun to leave."""
    rows = await conn.fetch(
        "SELECT id, event_id, vendor_id, template, lane, state, version, attempts, channel, route, deadline, reason, "
        "sent_at, delivered_at, read_at, silent FROM notification "
        "WHERE id = ANY($1::uuid[]) AND template = $2 AND state = ANY($3::text[])",
        notification_ids,
        DIGEST,
        list(UNSENT),
    )
    return [standing(row) for row in rows]


async def free_children(conn: Connection, digest_ids: Sequence[UUID]) -> None:
    """Let what these digests, which are locked, would have told wait for a digest of the same moment once more."""
    await conn.execute(
        "SELECT id FROM notification WHERE digest_id = ANY($1::uuid[]) AND state = 'digested' ORDER BY id FOR UPDATE",
        digest_ids,
    )
    await conn.execute(
        "WITH gone AS (DELETE FROM digest WHERE digest_id = ANY($1::uuid[]) RETURNING digest_id, moment) "
        "UPDATE notification AS n SET state = 'deferred', reason = 'digest', not_before = gone.moment, "
        "digest_id = NULL, settled_at = NULL FROM gone WHERE n.digest_id = gone.digest_id AND n.state = 'digested'",
        digest_ids,
    )


async def remove_words(conn: Connection, digest_ids: Sequence[UUID]) -> None:
    """Remove what these digests told, which are locked, as far as they are over."""
    await conn.execute(
        "UPDATE notification SET params = '{}' WHERE id = ANY($1::uuid[]) AND params <> '{}' "
        "AND state IN ('sent', 'delivered', 'rejected', 'expired', 'cancelled')",
        digest_ids,
    )


# --- one person, told twice


async def find_twins(conn: Connection, persons: Mapping[UUID, UUID], now: datetime) -> list[Twin]:
    """Messages which say the same of the same cause to several ids of one person, as far as they were not in vain.
    `persons`: id -> the id that stands for the person. Not: answers, digests, what a key or an operator asked for.
    """
    rows = await conn.fetch(
        "WITH mine AS (SELECT n.id, n.vendor_id, p.person_id, n.template, n.cause_at, n.state, n.silent, n.channel, "
        "coalesce(n.params_sha256, sha256(convert_to(n.params::text, 'UTF8'))) AS words "
        "FROM unnest($1::uuid[], $2::uuid[]) AS p (vendor_id, person_id) "
        "JOIN notification AS n ON n.vendor_id = p.vendor_id "
        "WHERE n.state NOT IN ('rejected', 'expired', 'cancelled') AND n.asked_by IS NULL AND n.resend_of IS NULL "
        "AND n.template <> $3 AND NOT starts_with(n.template, 'reply-') AND n.deadline > $4), "
        "several AS (SELECT person_id, template, cause_at, words FROM mine "
        "GROUP BY person_id, template, cause_at, words HAVING count(DISTINCT vendor_id) > 1) "
        "SELECT m.id, dense_rank() OVER (ORDER BY m.person_id, m.template, m.cause_at, m.words) AS told, m.state, "
        "m.silent, m.channel, (c.phone IS NOT NULL)::int + (c.email IS NOT NULL)::int AS addresses "
        "FROM mine AS m JOIN several USING (person_id, template, cause_at, words) "
        "LEFT JOIN contact AS c ON c.vendor_id = m.vendor_id ORDER BY m.id",
        list(persons),
        list(persons.values()),
        DIGEST,
        now,
    )
    return [Twin(row["id"], row["told"], row["state"], row["silent"], row["channel"], row["addresses"]) for row in rows]
