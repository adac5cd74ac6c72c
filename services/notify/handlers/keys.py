"""Keys of other systems, and the messages they ask for. The edge owns the transaction."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, cast
from uuid import UUID

from services.notify.domain import keys as domain
from services.notify.domain.attachments import AttachmentNeedsEmail
from services.notify.domain.keys import (
    AddTeamAddress,
    CreateKey,
    Key,
    KeyInvalid,
    KeyNotFound,
    NotOnTeam,
    Outward,
    RecipientNotReached,
    ReferenceReused,
    SendMessage,
    TooManyMessages,
)
from services.notify.domain.people import Contact
from services.notify.domain.routing import address_key, addresses
from services.notify.domain.templates import check_values
from services.notify.domain.wishes import VendorNotKnown
from services.notify.handlers.templates import find_sendable, require_form
from services.notify.plans import Topic
from services.notify.store import attachments, lookups, wishes
from services.notify.store import keys as store
from services.notify.store.attachments import SealedFile
from services.notify.store.erasures import PEOPLE
from services.notify.store.keys import Message
from shared import families
from shared.crypto import Sealer
from shared.db import Connection
from shared.ids import new_id
from shared.telemetry import current_traceparent

TEAM_TOPIC: Topic = "programme"
"""What keys of the team and of tests send is no news, so it needs nobody's consent."""


class Created(NamedTuple):
    """A new key, and what its holder sends: shown now and never again."""

    key: Key
    token: str


async def create_key(conn: Connection, command: CreateKey, *, per_minute: int, by: str, now: datetime) -> Created:
    """Make a key."""
    secret = domain.new_secret()
    topic = command.topic if command.kind == "normal" else TEAM_TOPIC
    key = Key(new_id(), command.kind, command.name, topic, per_minute, domain.hash_secret(secret), revoked=False)
    await store.add_key(conn, key, by=by, now=now)
    return Created(key, domain.token(key.kind, key.key_id, secret))


async def revoke_key(conn: Connection, key_id: UUID, *, by: str, now: datetime) -> None:
    """End a key at once. What was sent with it goes on. Raises `KeyNotFound`."""
    if not await store.revoke_key(conn, key_id, by=by, now=now):
        raise KeyNotFound("No key has this id; GET /v1/keys lists them.", key_id=str(key_id))


async def recognise(conn: Connection, authorization: str | None) -> Key:
    """Whose key this is. Raises `KeyInvalid`, in the same words whatever is wrong with it."""
    given = domain.read_token(authorization)
    if given is not None:
        kind, key_id, secret = given
        key = await store.find_key(conn, key_id)
        if key is not None and domain.matches(key, secret) and key.kind == kind and not key.revoked:
            return key
    raise KeyInvalid(
        "Authorization must be `Bearer lapak_...` with a key that was not revoked; an operator makes one with POST "
        "/v1/keys."
    )


async def spend(conn: Connection, key: Key, *, now: datetime) -> None:
    """Take one message from what the key may send in a minute. Raises `TooManyMessages`."""
    if not await store.spend(conn, key.key_id, now):
        raise TooManyMessages(
            f"This key sends {key.per_minute} messages a minute at most; try again in a second, and send more slowly.",
            per_minute=key.per_minute,
        )


class Sent(NamedTuple):
    """A message that was asked for. `new`: just now, not under the same reference before."""

    notification_id: UUID
    new: bool


async def send(
    conn: Connection,
    key: Key,
    command: SendMessage,
    *,
    files: Sequence[SealedFile] = (),
    sealer: Sealer,
    now: datetime,
) -> Sent:
    """Write the intent of a message; the same reference is answered with the same message. `files`: the command's
    attachments, read and sealed. Raises `AttachmentNeedsEmail`, `TemplateNotFound`,
    `TemplateNotSendable`, `TemplateFormMissing`, `ParametersWrong`, `DeadlineWrong`, `RecipientNotReached`,
    `NotOnTeam`, `VendorNotKnown`, `ReferenceReused`.
    """
    notification_id = new_id()
    if command.reference is not None:
        fingerprint = sealer.blind_index(_asked_for(command, files))
        sent = await store.add_reference(conn, key.key_id, command.reference, notification_id, fingerprint)
        if sent is not None:
            if sent.fingerprint != fingerprint:
                raise ReferenceReused(
                    "This reference was used for another message of this key; give each message one of its own.",
                    message_id=str(sent.notification_id),
                )
            return Sent(sent.notification_id, new=False)
    deadline = domain.check_deadline(command.deadline, now)
    channel = domain.channel_of(command.recipient, command.channel, has_files=bool(files))
    sendable = await find_sendable(conn, command.template)
    if channel is not None:
        await require_form(conn, sendable, channel)
    params = check_values(sendable.parameters, command.params)
    await families.share_people(conn, PEOPLE)
    if command.recipient.vendor_id is not None:
        vendor_id = command.recipient.vendor_id
        if files:
            await _require_email(conn, vendor_id)
        route = await _ways_to(conn, key, vendor_id, channel, sealer)
    else:
        vendor_id = await _guest(conn, key, command, channel, sealer=sealer, now=now)
        route = None if channel is None else [channel]
    message = Message(
        notification_id,
        command.template,
        sendable.version,
        vendor_id,
        params,
        int(domain.lane_of(key)),
        key.topic,
        key.kind,
        route,
        deadline,
        str(key.key_id),
        current_traceparent(),
        len(files),
    )
    await store.add_message(conn, message, now)
    if files:
        await attachments.add_files(conn, notification_id, files)
    return Sent(notification_id, new=True)


def _asked_for(command: SendMessage, files: Sequence[SealedFile]) -> str:
    """What was asked for as one text; files count by name and content. Without files it reads as it always did, so that
    references which were used before there were files still fit.
    """
    text = command.model_dump_json(exclude={"attachments"})
    return text + "".join(
        f"|{one.name}:{file.sha256.hex()}" for one, file in zip(command.attachments, files, strict=True)
    )


async def _require_email(conn: Connection, vendor_id: UUID) -> None:
    """Refuse files to a vendor whose card is here and names no e-mail address."""
    contact = await lookups.find_contact(conn, vendor_id)
    if contact is not None and contact.email is None:
        raise AttachmentNeedsEmail(
            "This vendor has no e-mail address, and files go along with e-mails only; leave attachments out, and let "
            "the words say where the document is to be had.",
            vendor_id=str(vendor_id),
        )


async def _ways_to(
    conn: Connection, key: Key, vendor_id: UUID, channel: Outward | None, sealer: Sealer
) -> list[str] | None:
    """By which channels alone a vendor is written to; None: by any that reaches it."""
    if not await wishes.is_known(conn, vendor_id):
        raise VendorNotKnown(
            "No vendor has this id, or it is erased; one that has just registered is known in a moment.",
            vendor_id=str(vendor_id),
        )
    if key.kind != "team":
        return None if channel is None else [channel]
    contact = await lookups.find_contact(conn, vendor_id)
    reached = {} if contact is None else _keys_of(contact, sealer)
    team = await store.find_team_channels(conn, {one: reached[one] for one in reached if channel in (None, one)})
    if not team:
        raise NotOnTeam(
            "A team key writes to the team only, and no address of this vendor is on its list; an operator adds one "
            "with POST /v1/team, or use a test key."
        )
    return [one for one in reached if one in team]


async def _guest(
    conn: Connection, key: Key, command: SendMessage, channel: Outward | None, *, sealer: Sealer, now: datetime
) -> UUID:
    """The id under which this address is kept; the same for the same address."""
    if key.kind == "normal":
        raise RecipientNotReached(
            "A key of kind normal writes to vendors (recipient.vendor_id); addresses are for keys of team and test."
        )
    phone, email = command.recipient.phone, command.recipient.email
    contact = Contact(domain.GUEST_NAME, phone, email, command.language)
    reached = _keys_of(contact, sealer)
    if key.kind == "team":
        assert channel is not None
        if not await store.find_team_channels(conn, {channel: reached[channel]}):
            raise NotOnTeam(
                "A team key writes to the team only, and this address is not on its list; an operator adds it with "
                "POST /v1/team, or use a test key."
            )
    guest_id = UUID(bytes=sealer.blind_index(f"guest:{phone or email}")[:16], version=5)
    await store.save_guest(conn, guest_id, contact.name, phone, email, command.language, now)
    return guest_id


def _keys_of(contact: Contact, sealer: Sealer) -> dict[Outward, bytes]:
    return {one: address_key(sealer.blind_index, one, address) for one, address in addresses(contact).items()}


# --- the team


async def add_team_address(
    conn: Connection, command: AddTeamAddress, *, sealer: Sealer, by: str, now: datetime
) -> list[str]:
    """Let keys of kind team write to this address; by which channels."""
    contact = Contact("", command.phone, command.email, "id")
    reached = _keys_of(contact, sealer)
    hint = domain.hint(cast(str, command.phone or command.email))
    await store.add_team_addresses(conn, cast(dict[str, bytes], reached), hint, by=by, now=now)
    return list(reached)


async def remove_team_address(conn: Connection, address_id: UUID) -> None:
    """Take an address off the team's list. Raises `KeyNotFound`."""
    if not await store.remove_team_addresses(conn, [address_id]):
        raise KeyNotFound("No address of the team has this id; GET /v1/team lists them.", address_id=str(address_id))
