"""Keys of other systems: what they look like, what may be sent with them."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.notify.channels.simulated import receipts_due
from services.notify.domain.keys import (
    BEHAVIOURS,
    MAGIC,
    DeadlineWrong,
    Key,
    KeyKind,
    Recipient,
    RecipientNotReached,
    behaviour_of,
    channel_of,
    check_deadline,
    hash_secret,
    hint,
    lane_of,
    matches,
    new_secret,
    read_token,
    token,
)
from services.notify.plans import Lane, Topic

NOW = datetime(2023, 3, 1, 2, 0, tzinfo=UTC)


def key(secret: str = "x", topic: Topic = "news") -> Key:
    return Key(uuid4(), "normal", "Uji", topic, 600, hash_secret(secret), revoked=False)


@given(st.sampled_from(["normal", "team", "test"]), st.uuids())
def test_a_key_is_read_as_it_was_written(kind: KeyKind, key_id: UUID) -> None:
    secret = new_secret()
    assert read_token(f"Bearer {token(kind, key_id, secret)}") == (kind, key_id, secret)


@pytest.mark.parametrize(
    "text",
    [None, "", "Bearer ", "Bearer lapak_test", "Basic lapak_test_" + "0" * 32 + "_" + "a" * 43, "Bearer eyJ.eyJ.abc"],
)
def test_what_is_no_key_is_none(text: str | None) -> None:
    assert read_token(text) is None


def test_another_secret_does_not_match() -> None:
    assert matches(key("right"), "right")
    assert not matches(key("right"), "Right")
    assert b"right" not in key("right").secret_sha256


def test_a_recipient_is_one_of_three() -> None:
    assert Recipient(phone="+620000000001").phone is not None
    for wrong in ({}, {"phone": "+620000000001", "email": "a@b.id"}, {"phone": "0812"}, {"email": "a@b"}):
        with pytest.raises(ValidationError):
            Recipient.model_validate(wrong)


def test_an_address_is_reached_by_its_own_channels_only() -> None:
    phone, mail = Recipient(phone="+620000000001"), Recipient(email="siti@example.com")
    assert channel_of(phone, None) == "sms"
    assert channel_of(phone, "whatsapp") == "whatsapp"
    assert channel_of(mail, None) == "email"
    assert channel_of(Recipient(vendor_id=uuid4()), None) is None
    for recipient, wanted in ((phone, "email"), (mail, "sms")):
        with pytest.raises(RecipientNotReached):
            channel_of(recipient, wanted)  # type: ignore[arg-type]  # parametrised


def test_a_deadline_is_ahead_and_within_seven_days() -> None:
    latest = NOW + timedelta(days=7)
    assert check_deadline(None, NOW) == latest
    assert check_deadline(latest, NOW) == latest
    for wrong in (NOW, latest + timedelta(seconds=1)):
        with pytest.raises(DeadlineWrong):
            check_deadline(wrong, NOW)


def test_magic_addresses_can_belong_to_nobody_and_each_behaviour_has_both_kinds() -> None:
    assert sorted(MAGIC.values()) == sorted([*BEHAVIOURS, *BEHAVIOURS])
    for address in MAGIC:
        assert address.endswith("@simulator.lapak.invalid") or address.startswith("+620")
    assert behaviour_of("Refused@Simulator.lapak.invalid") == "refused"
    assert behaviour_of("+6281234567890") == "delivered"


def test_news_stands_in_the_lane_of_broadcasts() -> None:
    assert lane_of(key()) == Lane.BROADCAST
    assert lane_of(key(topic="programme")) == Lane.ROUTINE


def test_a_hint_does_not_tell_the_address() -> None:
    assert hint("siti.aminah@example.com") == "s***@example.com"
    assert hint("+6281234567890") == "+62***890"


def test_a_receipt_comes_when_it_is_due() -> None:
    attempt = uuid4()

    def statuses(behaviour: str, after: timedelta) -> list[str]:
        found = receipts_due("simulated-sms", attempt, f"sim:{behaviour}:{attempt.hex}", NOW, NOW + after)
        return [one.status for one in found]

    assert statuses("delivered", timedelta()) == ["delivered"]
    assert statuses("read", timedelta()) == ["delivered", "read"]
    assert statuses("delivered-later", timedelta(minutes=4)) == []
    assert statuses("delivered-later", timedelta(minutes=5)) == ["delivered"]
    assert statuses("failed-later", timedelta()) == ["failed"]
    assert statuses("no-receipt", timedelta(days=1)) == []
