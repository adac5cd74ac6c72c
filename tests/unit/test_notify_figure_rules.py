"""Figures of delivery, resending, subscribers' addresses and retries: pure rules."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notify.domain.figures import BOUNDS_SECONDS, FiguresRefused, dimensions, not_told, percentile, rates
from services.notify.domain.resends import ResendRefused, deadline_of, require_resendable
from services.notify.domain.subscribers import RETRY_SECONDS, AddressRefused, check_url, is_public, retry_seconds

NOW = datetime(2023, 3, 1, 2, 0, tzinfo=UTC)


def histogram(durations: list[float]) -> list[int]:
    """As the database counts: the bucket of a duration is how many bounds are not above it."""
    counts = [0] * (len(BOUNDS_SECONDS) + 1)
    for one in durations:
        counts[sum(bound <= one for bound in BOUNDS_SECONDS)] += 1
    return counts


@given(st.lists(st.floats(0, 90_000), min_size=1, max_size=50), st.sampled_from([0.5, 0.95, 0.99]))
def test_a_percentile_lies_in_the_bucket_of_the_true_one(durations: list[float], share: float) -> None:
    told = percentile(histogram(durations), share)
    rank = max(0, -(-int(share * len(durations) * 1000) // 1000) - 1)
    true = sorted(durations)[min(rank, len(durations) - 1)]
    place = sum(bound <= true for bound in BOUNDS_SECONDS)
    low = BOUNDS_SECONDS[place - 1] if place else 0.0
    high = BOUNDS_SECONDS[min(place, len(BOUNDS_SECONDS) - 1)]
    assert told is not None
    assert low <= told <= high or place >= len(BOUNDS_SECONDS)


def test_of_nothing_there_is_no_percentile_and_no_rate() -> None:
    assert percentile([0] * 16, 0.5) is None
    assert rates({"rejected": 3}, {}) == {}
    assert rates({"accepted": 1, "delivered": 2, "read": 1, "failed": 1, "rejected": 9}, {}) == {
        "delivered": 0.6,
        "failed": 0.2,
    }


def test_of_e_mails_nobody_says_what_was_delivered_so_no_share_is_told_of_them() -> None:
    mails = {"accepted": 96, "failed": 4, "rejected": 7}
    assert (rates(mails, mails), not_told(mails)) == ({"failed": 0.04}, 96)
    both = {"accepted": 98, "failed": 4, "rejected": 7, "delivered": 5, "read": 1}
    assert (rates(both, mails), not_told(mails)) == ({"delivered": 0.75, "failed": 4 / 108}, 96)


def test_dimensions_are_read_and_wrong_ones_refused_without_repeating_them() -> None:
    assert dimensions("template, channel") == ("channel", "template")
    assert dimensions("") == ()
    with pytest.raises(FiguresRefused) as refused:
        dimensions("channel,+6281234567890")
    assert "628" not in str(refused.value) + str(refused.value.details)


@pytest.mark.parametrize("state", ["rejected", "expired", "cancelled"])
def test_what_did_not_reach_the_person_is_sent_again(state: str) -> None:
    require_resendable(state, again=False, has_body=True, resent=())  # type: ignore[arg-type]  # parametrised


@pytest.mark.parametrize(
    ("state", "again", "has_body", "resent", "because"),
    [
        ("sent", False, True, (), "reached"),
        ("delivered", False, True, (), "reached"),
        ("unknown", False, True, (), "reached"),
        ("queued", True, True, (), "waits"),
        ("sending", True, True, (), "waits"),
        ("digested", True, True, (), "digested"),
        ("rejected", True, False, (), "body-gone"),
        ("rejected", True, True, (uuid4(),), "resent"),
    ],
)
def test_what_may_have_reached_it_waits_or_is_gone_is_not(
    state: str, again: bool, has_body: bool, resent: tuple[object, ...], because: str
) -> None:
    with pytest.raises(ResendRefused) as refused:
        require_resendable(state, again=again, has_body=has_body, resent=resent)  # type: ignore[arg-type]  # parametrised
    assert refused.value.details["because"] == because


def test_delivered_is_sent_again_when_that_is_meant() -> None:
    require_resendable("delivered", again=True, has_body=True, resent=())


def test_a_past_deadline_needs_a_new_one() -> None:
    ahead, past = NOW + timedelta(hours=1), NOW - timedelta(hours=1)
    assert deadline_of(None, ahead, NOW) == ahead
    assert deadline_of(ahead, past, NOW) == ahead
    for wanted, before in ((None, past), (past, past), (NOW + timedelta(days=8), ahead)):
        with pytest.raises(ResendRefused):
            deadline_of(wanted, before, NOW)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fc00::1",
        "fe80::1%eth0",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "2002:0a00:0001::",
        "64:ff9b::a00:1",
        "ff02::1",
    ],
)
def test_private_addresses_are_not_called(address: str) -> None:
    assert not is_public(address, development=False)


def test_public_addresses_are() -> None:
    for address in ("8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8"):
        assert is_public(address, development=False)
    assert is_public("127.0.0.1", development=True)
    assert not is_public("10.0.0.1", development=True)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/hook",
        "ftp://example.com/",
        "https://user:pw@example.com/",
        "https:///hook",
        "https://10.0.0.1/",
        "https://[::1]/",
        "https://127.0.0.1/",
        "https://example.com/#x",
        "https://example.com:0/",
        "https://exämple.com/",
        "https://example.com:notaport/",
    ],
)
def test_wrong_addresses_of_subscribers_are_refused(url: str) -> None:
    with pytest.raises(AddressRefused):
        check_url(url, development=False)


def test_right_addresses_are_taken() -> None:
    assert check_url("https://example.com/hook?a=1", development=False)
    assert check_url("http://127.0.0.1:9000/hook", development=True)
    with pytest.raises(AddressRefused):
        check_url("http://example.com/hook", development=True)


def test_tries_go_on_for_most_of_a_day_and_then_end() -> None:
    assert sum(RETRY_SECONDS) >= 3600 * 20
    assert sum(RETRY_SECONDS) * 1.2 <= 3600 * 30
    assert retry_seconds(len(RETRY_SECONDS) + 1, 0.5) is None
    assert retry_seconds(1, 0.0) == 4.0
    assert retry_seconds(1, 0.999) == pytest.approx(6.0, abs=0.01)
