"""What was told of a message: its events, found again from what is kept of it. Pure.

Events leave through the outbox and are not kept. From the attempts, the receipts and the moments of a message they can
be found again, but for those of which nothing sure stays (a channel that was left without an attempt, a failure that
came late or that a late receipt undid): then it is said how many are missing, and none has a number.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

__all__ = ["Told", "find_told"]

FAILED = "failed"
ENDS: Mapping[str, str] = {
    "rejected": "NotificationFailed",
    "cancelled": "NotificationFailed",
    "expired": "NotificationExpired",
}


class Told(NamedTuple):
    """An event. `at`: None where its moment is not kept; `version`: its number (ce_sequence), where it is sure."""

    type: str
    at: datetime | None
    channel: str | None = None
    reason: str | None = None
    version: int | None = None


def find_told(row: Mapping[str, Any], attempts: Sequence[Mapping[str, Any]]) -> tuple[list[Told], int]:
    """The events of a message, in order, and how many more were told of which nothing is kept. `row` and `attempts` as
    `GET /v1/notifications/{id}` shows them.
    """
    found = [*_of_attempts(row, attempts), *_of_moments(row)]
    if row["sent_at"] is not None and not any(one.type == "NotificationSent" for one in found):
        found.insert(0, Told("NotificationSent", row["sent_at"], row["channel"]))
    latest = row["planned_at"]
    placed = []
    for place, one in enumerate(found):  # what has no moment stays behind what it follows
        at = one.at
        if at is None:
            at = latest
        latest = max(latest, at)
        placed.append((at, place, one))
    told = [one for _, _, one in sorted(placed, key=lambda each: each[:2])]
    if len(told) == row["version"]:
        told = [one._replace(version=number) for number, one in enumerate(told, start=1)]
    return told, max(0, row["version"] - len(told))


def _of_attempts(row: Mapping[str, Any], attempts: Sequence[Mapping[str, Any]]) -> list[Told]:
    found: list[Told] = []
    sent = row["sent_at"] is None
    for one, after in zip(attempts, [*attempts, None][1:], strict=True):
        # who settles it by hand leaves the moment at which it became unknown; an answer that came late does not
        lost = one["outcome"] in ("ambiguous", "lost") or one["note"] is not None
        if lost or one["asks"]:
            found.append(Told("NotificationUnknown", one["ended_at"] if lost else None, one["channel"]))
        if not sent and (one["outcome"] == "accepted" or one["status"] in ("sent", "delivered", "read")):
            sent = True
            found.append(Told("NotificationSent", row["sent_at"], one["channel"]))
        if _moved_on(row, one, after):
            reason = one["failure"] or one["code"]
            found.append(Told("NotificationChannelFailed", _failed_at(one), one["channel"], reason))
    return found


def _moved_on(row: Mapping[str, Any], one: Mapping[str, Any], after: Mapping[str, Any] | None) -> bool:
    """Whether it failed and its message went on to the next channel for that, as far as that is sure: other channels
    are also chosen where the person changed, or an operator found that it had not left.
    """
    if not (one["outcome"] == "rejected" or one["failure"] is not None or one["status"] == FAILED):
        return False
    if after is None:  # where another one has reached the person, this may have failed after it
        return (
            one["note"] is None and row["state"] not in ("rejected", "retry", "delivered") and not _was_last(row, one)
        )
    at = _failed_at(one)
    return bool(after["channel"] != one["channel"] and (at is None or at <= _moment(after["began_at"])))


def _was_last(row: Mapping[str, Any], attempt: Mapping[str, Any]) -> bool:
    """Whether it failed with no channel left, beside one that took the message and kept silent: nothing is told."""
    return bool(row["silent"]) and row["state"] == "sent" and attempt["failure"] != "no-receipt"


def _failed_at(attempt: Mapping[str, Any]) -> datetime | None:
    if attempt["outcome"] == "rejected":
        at: datetime | None = attempt["ended_at"]
        return at
    heard = [receipt["received_at"] for receipt in attempt["receipts"] if receipt["status"] == FAILED]
    return _moment(heard[0]) if heard and attempt["failure"] != "no-receipt" else None


def _moment(value: datetime | str) -> datetime:
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def _of_moments(row: Mapping[str, Any]) -> list[Told]:
    found = []
    read_in_inbox = row["channel"] == "inbox" and row["delivered_at"] == row["read_at"]
    if row["delivered_at"] is not None and not read_in_inbox:
        found.append(Told("NotificationDelivered", row["delivered_at"], row["channel"]))
    if row["read_at"] is not None:
        found.append(Told("NotificationRead", row["read_at"], None))
    if (end := ENDS.get(row["state"])) is not None:
        reason = row["reason"] if end == "NotificationFailed" else None
        found.append(Told(end, row["settled_at"], None, reason))
    return found
