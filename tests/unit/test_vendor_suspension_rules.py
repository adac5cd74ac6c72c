"""Suspension: when it may begin, and what its end means for a person of several registrations."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest

from services.vendor.domain import suspension as domain
from services.vendor.domain.registration import Vendor
from services.vendor.domain.suspension import AlreadySuspended, ReasonUnknown, Suspension, UntilRefused
from shared.events.vendor import VendorReinstated, VendorSuspended

NOW = datetime(2023, 3, 1, 2, tzinfo=UTC)
TODAY = date(2023, 3, 1)
REASONS = frozenset({"no-show", "false-data"})
VENDOR = Vendor(
    UUID(int=1), 1, 1, "Siti", "+62812", None, "", "31.71.02.1002", "003", "007", "usaha", None, None, "id", "self",
    TODAY, NOW,
)  # fmt: skip
RETIRED = replace(VENDOR, vendor_id=UUID(int=2), merged_into=UUID(int=1))


def suspended(until: date | None = None, reason: str = "no-show", vendor: Vendor = VENDOR) -> tuple[Vendor, Suspension]:
    changed, suspension, _ = domain.suspend(
        vendor, reason, until, REASONS, suspension_id=UUID(int=9), officer="o", today=TODAY, now=NOW
    )
    return changed, suspension


def test_a_suspension_stands_with_the_vendor_and_is_told() -> None:
    changed, suspension, events = domain.suspend(
        VENDOR, "no-show", TODAY, REASONS, suspension_id=UUID(int=9), officer="o", today=TODAY, now=NOW
    )
    assert (changed.suspended_because, suspension.until, suspension.ended) == ("no-show", TODAY, None)
    assert events == [VendorSuspended(vendor_id=VENDOR.vendor_id, reason="no-show")]


def test_the_last_day_is_today_at_the_earliest_and_not_years_away() -> None:
    latest = TODAY + timedelta(days=domain.SUSPENSION_DAYS_MAX)
    for good in (TODAY, latest, None):
        assert suspended(good)[1].until == good
    for bad in (TODAY - timedelta(days=1), latest + timedelta(days=1)):
        with pytest.raises(UntilRefused):
            suspended(bad)


def test_a_reason_is_one_of_the_programme() -> None:
    with pytest.raises(ReasonUnknown) as caught:
        suspended(reason="mood")
    assert caught.value.details == {"known": ["false-data", "no-show"]}


def test_a_vendor_is_suspended_once() -> None:
    with pytest.raises(AlreadySuspended):
        suspended(vendor=suspended()[0])


def test_a_suspension_ends_at_midnight_in_jakarta() -> None:
    assert domain.ends_at(date(2023, 3, 31)) == datetime(2023, 3, 31, 17, tzinfo=UTC)


def test_the_only_suspension_ends_and_the_vendor_is_free() -> None:
    vendor, running = suspended()
    ((before, after, events),) = domain.lift([vendor], [running], [running])
    assert (before, after.suspended_because) == (vendor, None)
    assert events == [VendorReinstated(vendor_id=vendor.vendor_id)]


def test_a_suspension_that_a_merge_carried_over_ends_for_both() -> None:
    retired, running = suspended(vendor=RETIRED)
    survivor = replace(VENDOR, suspended_because="no-show")
    changed = domain.lift([survivor, retired], [running], [running])
    assert [(after.vendor_id, after.suspended_because) for _, after, _ in changed] == [
        (survivor.vendor_id, None),
        (retired.vendor_id, None),
    ]


def test_a_person_stays_suspended_as_long_as_one_suspension_runs() -> None:
    survivor, own = suspended()
    retired, other = suspended(reason="false-data", vendor=RETIRED)
    other = replace(other, suspension_id=UUID(int=10))
    ((_, after, events),) = domain.lift([survivor, retired], [own, other], [own])
    assert (after.vendor_id, after.suspended_because) == (survivor.vendor_id, "false-data")
    assert events == [VendorSuspended(vendor_id=survivor.vendor_id, reason="false-data")]
    ((_, after, _),) = domain.lift([survivor, retired], [own, other], [other])
    assert (after.vendor_id, after.suspended_because) == (retired.vendor_id, None)


@pytest.mark.parametrize(("officer", "how"), [("o", "reinstated"), (None, "expired")])
def test_how_a_suspension_ended_is_kept(officer: str | None, how: str) -> None:
    ended = domain.end(suspended()[1], officer, NOW)
    assert (ended.ended, ended.ended_by, ended.ended_at) == (how, officer, NOW)
