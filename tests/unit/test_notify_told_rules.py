"""What was told of a message, found again from what is kept of it: nothing is listed that is not sure."""

from datetime import UTC, datetime, timedelta
from typing import Any

from services.notify.domain.told import find_told

NOW = datetime(2023, 3, 1, 2, 0, tzinfo=UTC)


def after(minutes: float) -> datetime:
    return NOW + timedelta(minutes=minutes)


def attempt(channel: str, began: float, outcome: str, **more: Any) -> dict[str, Any]:
    """An attempt of a minute."""
    known: dict[str, Any] = {"code": "200", "note": None, "asks": 0, "status": None, "failure": None, "receipts": []}
    return (
        {"channel": channel, "began_at": after(began), "ended_at": after(began + 1), "outcome": outcome} | known | more
    )


def message(state: str, version: int, **more: Any) -> dict[str, Any]:
    known: dict[str, Any] = {
        "channel": None,
        "reason": None,
        "sent_at": None,
        "delivered_at": None,
        "read_at": None,
        "settled_at": None,
    }
    return {"state": state, "version": version, "planned_at": NOW, "silent": False} | known | more


def types(row: dict[str, Any], *attempts: dict[str, Any]) -> tuple[list[str], int]:
    told, untraced = find_told(row, attempts)
    return [one.type for one in told], untraced


def test_a_channel_that_was_chosen_anew_is_none_that_failed() -> None:
    found = types(
        message("sent", 1, channel="sms", sent_at=after(6)),
        attempt("whatsapp", 1, "deferred", code="429"),
        attempt("sms", 5, "accepted"),
    )
    assert found == (["NotificationSent"], 0)


def test_what_failed_after_another_attempt_had_arrived_was_not_told() -> None:
    row = message("delivered", 3, channel="whatsapp", sent_at=after(2), delivered_at=after(6))
    silent = attempt("whatsapp", 1, "accepted", status="delivered")
    late = attempt("sms", 5, "rejected", code="131026")
    assert types(row, silent, late) == (["NotificationSent", "NotificationDelivered"], 1)


def test_a_failure_that_was_reported_after_its_message_went_on_is_not_why_it_did() -> None:
    failed = {"status": "failed", "code": "131026", "at": after(9), "received_at": after(9).isoformat()}
    first = attempt("whatsapp", 1, "accepted", status="failed", failure="131026", receipts=[failed])
    row = message("sent", 2, channel="sms", sent_at=after(2))
    assert types(row, first, attempt("sms", 5, "accepted")) == (["NotificationSent"], 1)


def test_a_channel_that_failed_in_time_is_told_with_its_reason() -> None:
    told, untraced = find_told(
        message("sent", 2, channel="sms", sent_at=after(6)),
        [attempt("whatsapp", 1, "rejected", code="131026"), attempt("sms", 5, "accepted")],
    )
    assert [(one.type, one.reason, one.version) for one in told] == [
        ("NotificationChannelFailed", "131026", 1),
        ("NotificationSent", None, 2),
    ]
    assert untraced == 0
