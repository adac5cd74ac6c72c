"""What vendors wish of mentoring: fields and language; another mentor, which an officer answers."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from services.training.domain.assignments import NoMentor
from services.training.domain.mentoring import (
    AnswerRequest,
    AskForAnother,
    FieldUnknown,
    RequestNotFound,
    RequestSettled,
    RequestStanding,
    WishMentoring,
)
from services.training.handlers.assignments import assign, lock_people
from services.training.store import assignments
from services.training.store import mentoring as store
from services.training.store.mentoring import MentorRequest
from shared.db import Connection
from shared.events.mentoring import MentorAssigned
from shared.ids import new_id


async def wish(conn: Connection, vendor_id: UUID, command: WishMentoring, *, now: datetime) -> None:
    """Remember what a vendor wishes; the next matching looks at it. Raises `TraineeNotFound`, `FieldUnknown`."""
    unknown = await store.find_unknown_fields(conn, command.fields)
    if unknown:
        raise FieldUnknown(f"fields: {', '.join(unknown)}: no such field; `GET /v1/fields` lists them.", fields=unknown)
    ids = await _lock(conn, vendor_id)
    await store.save_wishes(conn, ids, list(dict.fromkeys(command.fields)), command.language, now=now)


async def ask_for_another(conn: Connection, vendor_id: UUID, command: AskForAnother, *, now: datetime) -> MentorRequest:
    """A vendor asks for another mentor. Raises `TraineeNotFound`, `NoMentor`, `RequestStanding`."""
    ids = await _lock(conn, vendor_id)
    standing = await assignments.find_standing(conn, ids, "employed")
    if not standing:
        raise NoMentor("You have no mentor of an agency yet; ask for mentoring (P3) in the registry.")
    if await store.find_open_requests(conn, ids):
        raise RequestStanding("You asked already; an officer will answer. Take it back to ask anew.")
    request = MentorRequest(new_id(), vendor_id, standing[0].mentor_id, command.reason, "open", now, None)
    await store.add_request(conn, request)
    return request


async def take_back(conn: Connection, vendor_id: UUID, *, now: datetime) -> None:
    """The vendor asks no longer. Raises `TraineeNotFound`, `RequestNotFound`."""
    requests = await store.find_open_requests(conn, await _lock(conn, vendor_id))
    if not requests:
        raise RequestNotFound("There is no request that waits for an answer.")
    for request in requests:
        await store.save_answer(conn, request.request_id, "taken-back", by=None, now=now)


async def answer(
    conn: Connection, request_id: UUID, command: AnswerRequest, *, by: str, now: datetime
) -> MentorAssigned | None:
    """An officer answers; where it grants, the vendor has the other mentor at once.

    Raises `RequestNotFound`, `RequestSettled`, and what `assign` raises.
    """
    request = await store.find_request(conn, request_id)
    if request is None:
        raise RequestNotFound("No request has this id.", request_id=str(request_id))
    given = None
    if command.mentor_id is not None:
        given = await assign(
            conn,
            request.vendor_id,
            command.mentor_id,
            kind="employed",
            by="officer",
            now=now,
            assigned_by=by,
            reason="vendor-wish",
        )
    else:
        await _lock(conn, request.vendor_id)
    # under the locks of the person, which whoever answers or takes back holds
    current = await store.find_request(conn, request_id)
    if current is None or current.state != "open":
        raise RequestSettled("This request was answered or taken back already.", request_id=str(request_id))
    await store.save_answer(conn, request_id, "declined" if given is None else "granted", by=by, now=now)
    return given


async def _lock(conn: Connection, vendor_id: UUID) -> Sequence[UUID]:
    """All ids of a person, under their locks. Raises `TraineeNotFound`, `PersonChanged`."""
    locked = await lock_people(conn, [vendor_id])
    locked.require(vendor_id)
    return locked.people[vendor_id]
