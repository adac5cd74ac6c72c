"""Steps of a broadcast: which follow from which, who may take them, what is told."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notify.domain import broadcasts
from services.notify.domain.broadcasts import (
    ApproveBroadcast,
    AudienceEmpty,
    Broadcast,
    BroadcastChanged,
    BroadcastNotIn,
    BroadcastOver,
    BroadcastUnfit,
    DraftBroadcast,
    Moved,
    SecondPersonNeeded,
    route_of,
)
from shared.events.notify import BroadcastApproved, BroadcastSubmitted

NOW = datetime(2023, 3, 1, 2, tzinfo=UTC)
ID = UUID(int=7)


def draft(by: str = "ani", **more: datetime | None) -> Broadcast:
    """A draft."""
    command = DraftBroadcast.model_validate({"template": "broadcast-kabar", "areas": ["31.71"], **more})
    return broadcasts.draft(ID, command, {}, by=by, now=NOW)


def submit(one: Broadcast, recipients: int = 501, by: str = "ani", now: datetime = NOW) -> Moved:
    """Submit it to so many."""
    return broadcasts.submit(
        one,
        template_version="v1",
        recipients=recipients,
        audience_sha256="ab",
        approval_over=500,
        by=by,
        now=now,
    )


def approve(one: Broadcast, by: str, version: int | None = None, now: datetime = NOW) -> Moved:
    """Approve it as it is."""
    return broadcasts.approve(one, ApproveBroadcast(version=version or one.version), by=by, now=now)


@pytest.mark.parametrize(("recipients", "state", "needed"), [(500, "running", False), (501, "submitted", True)])
def test_over_the_limit_a_second_person_is_needed(recipients: int, state: str, needed: bool) -> None:
    moved = submit(draft(), recipients)
    assert moved.broadcast.state == state
    told = moved.events[0]
    assert isinstance(told, BroadcastSubmitted)
    assert told.approval_needed is needed
    if not needed:
        assert moved.events[1] == BroadcastApproved(broadcast_id=ID, second_person=False)
    assert moved.broadcast.version == len(moved.events)


@pytest.mark.parametrize("by", ["ani", "ANI", " ani\t", "citra", "Citra"])
def test_who_drafted_or_submitted_it_does_not_approve_it_under_any_spelling(by: str) -> None:
    with pytest.raises(SecondPersonNeeded):
        approve(submit(draft("citra")).broadcast, by)


def test_what_was_changed_since_it_was_read_is_not_approved() -> None:
    one = submit(draft()).broadcast
    again = submit(broadcasts.reject(one).broadcast).broadcast
    with pytest.raises(BroadcastChanged):
        approve(again, "budi", version=one.version)
    assert approve(again, "budi").broadcast.state == "running"


def test_nobody_is_no_audience() -> None:
    with pytest.raises(AudienceEmpty):
        submit(draft(), 0)


def test_after_its_deadline_it_is_neither_submitted_nor_approved() -> None:
    one = draft(deadline=NOW + timedelta(hours=1))
    late = NOW + timedelta(hours=1)
    with pytest.raises(BroadcastOver):
        submit(one, now=late)
    with pytest.raises(BroadcastOver):
        approve(submit(one).broadcast, "budi", now=late)


@pytest.mark.parametrize(
    ("begins", "ends", "fits"),
    [(None, 1, True), (None, 0, False), (48, 48, False), (48, 49, True), (None, 90 * 24, True), (None, 91 * 24, False)],
)
def test_its_deadline_lies_after_its_beginning_and_within_ninety_days(
    begins: int | None, ends: int, fits: bool
) -> None:
    moments = {
        "not_before": None if begins is None else NOW + timedelta(hours=begins),
        "deadline": NOW + timedelta(hours=ends),
    }
    if fits:
        draft("ani", **moments)
    else:
        with pytest.raises(BroadcastUnfit):
            draft("ani", **moments)


def test_sms_is_used_only_where_it_is_named_and_the_rest_in_the_persons_order() -> None:
    assert route_of(("email", "whatsapp")) is None
    assert route_of(("sms", "whatsapp")) == ["whatsapp", "sms"]
    assert route_of(("email",)) == ["email"]


STEPS = ("submit few", "submit", "approve", "reject", "pause", "resume", "stop", "complete")
FOLLOWS = {
    "draft": {"submit few": "running", "submit": "submitted"},
    "submitted": {"approve": "running", "reject": "draft"},
    "running": {"pause": "paused", "stop": "stopped", "complete": "completed"},
    "paused": {"resume": "running", "stop": "stopped", "complete": "completed"},
    "stopped": {},
    "completed": {},
}


def take(one: Broadcast, step: str) -> Moved:
    """Take a step."""
    match step:
        case "submit few":
            return submit(one, 3)
        case "submit":
            return submit(one)
        case "approve":
            return approve(one, "budi", version=max(one.version, 1))
        case "reject":
            return broadcasts.reject(one)
        case "pause":
            return broadcasts.pause(one)
        case "resume":
            return broadcasts.resume(one)
        case "stop":
            return broadcasts.stop(one, cancelled=4, now=NOW)
        case _:
            return broadcasts.complete(one, accepted=2, failed=1, now=NOW)


@given(st.lists(st.sampled_from(STEPS), max_size=12))
def test_whatever_is_tried_only_what_follows_happens_and_versions_count_the_events(steps: list[str]) -> None:
    one, told = draft(), 0
    for step in steps:
        wanted = FOLLOWS[one.state].get(step)
        try:
            moved = take(one, step)
        except BroadcastNotIn:
            assert wanted is None
            continue
        assert moved.broadcast.state == wanted
        told += len(moved.events)
        one = moved.broadcast
        assert one.version == told
        assert (one.ended_at is not None) is (one.state in ("stopped", "completed"))
