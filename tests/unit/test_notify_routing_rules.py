"""Which way a message goes: consent, wishes, closed channels, fallbacks, digests; what is said of changed wishes."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from itertools import permutations
from typing import Any, get_args
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notify.domain.hours import Hours
from services.notify.domain.people import Contact
from services.notify.domain.routing import (
    Case,
    Inbox,
    Person,
    Queue,
    Refuse,
    Rules,
    Wait,
    address_key,
    addresses,
    decide,
    matters_by,
)
from services.notify.domain.wishes import (
    OUTWARD,
    SuppressionReason,
    Told,
    Wish,
    Wishes,
    changed,
    changes_told,
    lasts_until,
    person_wishes,
)
from services.notify.handlers.digests import gist
from services.notify.handlers.stopping import VALID, read_link, stop_url
from services.notify.plans import DIGEST, PLANS, TOPICS, Lane
from shared.clock import JAKARTA
from shared.crypto import Sealer
from shared.events.notify import Channel
from tests.conftest import SECRET_KEYS

NOW = datetime(2023, 3, 1, 2, 0, tzinfo=UTC)  # 09.00 WIB, a Wednesday
NIGHT = datetime(2023, 3, 1, 15, 0, tzinfo=UTC)
ALL = Rules(("whatsapp", "sms", "email"))
PAUSES = Rules(ALL.channels, Hours((time(21), time(6)), (time(11, 30), time(13)), True), (time(16),))
SITI = Person(frozenset(OUTWARD))
VENDOR, NOTIFICATION = UUID(int=1), UUID(int=2)


def case(**more: Any) -> Case:
    deadline = NOW + timedelta(days=7)
    fields: dict[str, Any] = {
        "id": NOTIFICATION,
        "template": "mentor-assigned",
        "lane": Lane.PERSONAL,
        "topic": "mentoring",
        "must": False,
        "digest": False,
        "mode": "normal",
        "attempts": 0,
        "route": None,
        "reason": None,
        "deadline": deadline,
        "matters_by": deadline,
    }
    return Case(**{**fields, **more})


def unwanting(*pairs: tuple[str, str]) -> Person:
    return replace(SITI, wishes=Wishes(frozenset(pairs)))  # type: ignore[arg-type]  # names of topics and channels


# --- channels


def test_whatsapp_comes_first_then_sms_then_email() -> None:
    assert decide(case(), SITI, ALL, NOW) == Queue("whatsapp", ("sms", "email"))


def test_a_person_chooses_the_order_and_what_it_does_not_name_comes_last() -> None:
    person = replace(SITI, wishes=Wishes(channels=("email",)))
    assert decide(case(), person, ALL, NOW) == Queue("email", ("whatsapp", "sms"))


def test_a_channel_needs_an_address_a_form_and_no_suppression() -> None:
    assert decide(case(), replace(SITI, reached=frozenset({"sms", "email"})), ALL, NOW) == Queue("sms", ("email",))
    assert decide(case(), replace(SITI, unfit=frozenset({"whatsapp"})), ALL, NOW) == Queue("sms", ("email",))
    closed: dict[Channel, frozenset[str]] = {"whatsapp": frozenset({"stopped"}), "sms": frozenset({"invalid"})}
    assert decide(case(must=True), replace(SITI, closed=closed), ALL, NOW) == Queue("email", ())


def test_whom_no_channel_reaches_finds_it_in_the_inbox_at_any_hour() -> None:
    assert decide(case(), replace(SITI, reached=frozenset()), PAUSES, NIGHT) == Inbox()


def test_a_fallback_keeps_to_the_channels_that_are_left_and_ends_when_none_is() -> None:
    failed = case(attempts=1, route=("sms", "email"), reason="131026")
    assert decide(failed, SITI, ALL, NOW) == Queue("sms", ("email",))
    closed: dict[Channel, frozenset[str]] = {"sms": frozenset({"stopped"})}
    assert decide(failed, replace(SITI, closed=closed), ALL, NOW) == Queue("email", ())
    assert decide(replace(failed, route=("sms",)), replace(SITI, closed=closed), ALL, NOW) == Refuse("131026")
    assert decide(replace(failed, route=(), reason="quiet-hours"), SITI, ALL, NOW) == Refuse("unreachable")


def test_of_nobody_known_there_is_nothing_to_reach() -> None:
    assert decide(case(must=True), None, ALL, NOW) == Refuse("no-contact")


def test_what_a_test_key_asks_for_is_simulated_whoever_it_names() -> None:
    assert decide(case(mode="test", topic="news"), None, PAUSES, NIGHT) == Queue("whatsapp", ("sms", "email"))
    assert decide(case(mode="test", route=("sms",)), None, ALL, NOW) == Queue("sms", ())


# --- wishes


def test_an_ended_topic_is_not_told_on_the_channels_where_it_ended() -> None:
    assert decide(case(), unwanting(("mentoring", "whatsapp")), ALL, NOW) == Queue("sms", ("email",))
    nothing = unwanting(*(("mentoring", channel) for channel in OUTWARD))
    assert decide(case(), nothing, ALL, NOW) == Refuse("stopped")
    assert isinstance(decide(case(topic="training"), nothing, ALL, NOW), Queue)


def test_what_must_be_told_is_told_though_its_topic_ended_but_by_the_channels_that_are_liked() -> None:
    some = unwanting(("offers", "whatsapp"), ("offers", "sms"))
    assert decide(case(must=True, topic="offers"), some, ALL, NOW) == Queue("email", ())
    nothing = unwanting(*(("offers", channel) for channel in OUTWARD))
    assert decide(case(must=True, topic="offers"), nothing, ALL, NOW) == Queue("whatsapp", ("sms", "email"))


def test_news_needs_consent_and_never_costs_an_sms_unless_it_says_so() -> None:
    news = case(topic="news", lane=Lane.BROADCAST)
    assert decide(news, SITI, ALL, NOW) == Refuse("no-consent")
    willing = replace(SITI, consented=True)
    assert decide(news, willing, ALL, NOW) == Queue("whatsapp", ("email",))
    assert decide(replace(news, route=("sms",)), willing, ALL, NOW) == Queue("sms", ())
    assert decide(news, replace(willing, reached=frozenset({"sms"})), ALL, NOW) == Inbox()
    assert decide(news, willing, Rules(("sms",)), NOW) == Inbox()


def test_an_answer_goes_back_where_it_came_from_at_once_even_the_one_to_stop() -> None:
    answer = case(template="reply-stopped", lane=Lane.OFFER, topic="offers", route=("whatsapp",))
    stopped = replace(
        unwanting(*(("offers", channel) for channel in OUTWARD)), closed={"whatsapp": frozenset({"stopped"})}
    )
    assert decide(answer, stopped, PAUSES, NIGHT) == Queue("whatsapp", ())
    assert decide(answer, replace(stopped, closed={"whatsapp": frozenset({"invalid"})}), PAUSES, NIGHT) == Inbox()


@given(
    st.sampled_from(list(Lane)),
    st.sampled_from(TOPICS),
    st.booleans(),
    st.sets(st.sampled_from(OUTWARD)),
    st.sets(st.tuples(st.sampled_from(TOPICS), st.sampled_from(OUTWARD))),
    st.dictionaries(
        st.sampled_from(OUTWARD), st.frozensets(st.sampled_from(["stopped", "bounced"]), min_size=1), max_size=3
    ),
    st.sampled_from([None, *permutations(OUTWARD, 2)]),
    st.integers(0, 2),
    st.booleans(),
)
def test_a_closed_channel_is_never_used_and_an_ended_topic_only_where_it_must(
    lane: Lane, topic: Any, must: bool, reached: Any, unwanted: Any, closed: Any, route: Any, attempts: int, yes: bool
) -> None:
    person = Person(frozenset(reached), closed, wishes=Wishes(frozenset(unwanted)), consented=yes)
    message = case(lane=lane, topic=topic, must=must, route=route, attempts=attempts)
    match decide(message, person, ALL, NOW):
        case Queue(channel, others):
            used = (channel, *others)
            assert len(set(used)) == len(used)
            assert set(used) <= set(reached) - set(closed)
            assert route is None or set(used) <= set(route)
            assert must or all((topic, one) not in unwanted for one in used)
            assert topic != "news" or yes
        case Refuse("stopped"):
            assert not must
        case Inbox():
            assert attempts == 0


# --- when


def test_at_night_it_waits_and_the_digest_takes_what_may_wait() -> None:
    assert decide(case(), SITI, PAUSES, NIGHT) == Wait(datetime(2023, 3, 1, 23, tzinfo=UTC), "quiet-hours")
    assert decide(case(digest=True), SITI, PAUSES, NOW) == Wait(datetime(2023, 3, 1, 9, tzinfo=UTC), DIGEST)
    off = replace(SITI, wishes=Wishes(digest="off"))
    assert isinstance(decide(case(digest=True), off, PAUSES, NOW), Queue)
    weekly = replace(SITI, wishes=Wishes(digest="weekly"))
    assert decide(case(digest=True), weekly, PAUSES, NOW) == Wait(datetime(2023, 3, 6, 9, tzinfo=UTC), DIGEST)


def test_what_would_be_worthless_by_the_digest_leaves_by_itself() -> None:
    for hours, waits in ((8, True), (7.9, False)):
        message = case(digest=True, deadline=NOW + timedelta(hours=hours))
        assert isinstance(decide(message, SITI, PAUSES, NOW), Wait) == waits
    assert isinstance(decide(case(digest=True, gathered=True), SITI, PAUSES, NOW), Queue)
    assert isinstance(decide(case(digest=True, attempts=1, route=("sms",)), SITI, PAUSES, NOW), Queue)


def test_an_urgent_message_about_tomorrow_matters_before_tomorrow() -> None:
    due = NOW + timedelta(days=7)
    days = {"days": ["2023-03-02", "2023-03-04"]}
    tomorrow = datetime(2023, 3, 2, tzinfo=JAKARTA)
    assert matters_by(Lane.OFFER, due, days, NIGHT) == tomorrow
    assert matters_by(Lane.PERSONAL, due, days, NIGHT) == due
    assert matters_by(Lane.OFFER, due, {"days": ["2023-03-01"]}, NIGHT) == due, "the day is over"
    assert matters_by(Lane.OFFER, due, {"days": ["2023-03-01"]}, NOW) < NOW
    assert matters_by(Lane.OFFER, due, {"days_before": ["2023-03-02"], "days": ["2023-03-09"]}, NIGHT) == tomorrow
    assert matters_by(Lane.OFFER, due, {"days": ["soon", None, 3]}, NIGHT) == due
    cancelled = case(lane=Lane.OFFER, must=True, matters_by=matters_by(Lane.OFFER, due, days, NIGHT))
    assert isinstance(decide(cancelled, SITI, PAUSES, NIGHT), Queue)


# --- plans


def test_what_must_be_told_never_waits_for_a_digest_and_only_routine_does() -> None:
    for plan in PLANS.values():
        assert not (plan.must and plan.digest), plan.template
        assert not plan.digest or plan.lane == Lane.ROUTINE, plan.template
        assert plan.topic in TOPICS
        assert plan.topic != "news"
    urgent = {plan.template for plan in PLANS.values() if plan.lane == Lane.OFFER}
    assert urgent <= {plan.template for plan in PLANS.values() if plan.must}


# --- what was said


def test_of_several_words_on_one_thing_the_last_counts_and_of_one_moment_the_no() -> None:
    early, late = NOW, NOW + timedelta(hours=1)
    assert not person_wishes([("training", "sms", False, late), ("training", "sms", True, early)]).wants(
        "training", "sms"
    )
    assert person_wishes([("training", "sms", False, early), ("training", "sms", True, late)]).wants("training", "sms")
    assert not person_wishes([("training", "sms", True, early), ("training", "sms", False, early)]).wants(
        "training", "sms"
    )
    found = person_wishes([], [(["sms"], early), (None, late)], [("en", late)], [("off", late), ("daily", early)])
    assert (found.channels, found.language, found.digest) == (None, "en", "off")


def test_a_change_is_told_in_the_fewest_words() -> None:
    everything = [Wish(topic, channel, False) for topic in TOPICS for channel in OUTWARD]
    assert changes_told(everything) == [Told(True, None, None)]
    assert changes_told([one for one in everything if one.topic == "news"]) == [Told(True, None, "news")]
    assert changes_told([one for one in everything if one.channel == "sms"]) == [Told(True, "sms", None)]
    assert changes_told([Wish("news", "sms", False), Wish("training", "email", True)]) == [
        Told(True, "sms", "news"),
        Told(False, "email", "training"),
    ]
    before = Wishes(frozenset({("news", "sms")}))
    assert changed(before, [Wish("news", "sms", False), Wish("news", "email", True)]) == []


@given(st.sets(st.tuples(st.sampled_from(TOPICS), st.sampled_from(OUTWARD))), st.booleans())
def test_what_is_told_of_a_change_says_all_of_it_and_nothing_else(pairs: Any, wanted: bool) -> None:
    said = set()
    for told in changes_told([Wish(topic, channel, wanted) for topic, channel in pairs]):
        assert told.stopped != wanted
        for topic in TOPICS if told.topic is None else (told.topic,):
            said |= {(topic, channel) for channel in (OUTWARD if told.channel is None else (told.channel,))}
    assert said == pairs


def test_only_who_was_not_reached_is_tried_again_after_a_month() -> None:
    assert lasts_until("unreachable", NOW) == NOW + timedelta(days=30)
    for reason in get_args(SuppressionReason):
        assert (lasts_until(reason, NOW) is None) == (reason != "unreachable")


# --- addresses


def test_an_address_has_one_key_however_it_is_written_and_another_on_each_channel() -> None:
    sealer = Sealer(SECRET_KEYS)
    keys = {address_key(sealer.blind_index, "email", one) for one in ("Siti@Example.com", " siti@example.COM ")}
    assert len(keys) == 1
    phones = {address_key(sealer.blind_index, "sms", one) for one in ("+6281234567890", "62 812-3456-7890")}
    assert len(phones) == 1
    assert phones != {address_key(sealer.blind_index, "whatsapp", "+6281234567890")}


def test_the_key_of_an_address_outlives_the_rotation_of_keys() -> None:
    rotated = Sealer({"new": "A" * 43 + "=", **SECRET_KEYS})
    assert address_key(rotated.blind_index, "sms", "+6281") == address_key(
        Sealer(SECRET_KEYS).blind_index, "sms", "+6281"
    )


def test_a_phone_reaches_by_whatsapp_and_sms() -> None:
    assert addresses(Contact("Siti", "+6281", None, "id")) == {"whatsapp": "+6281", "sms": "+6281"}
    assert addresses(Contact("Siti", None, "s@example.com", "id")) == {"email": "s@example.com"}


# --- links


@pytest.mark.parametrize("topic", [None, *TOPICS])
def test_a_link_says_what_it_ends_and_tells_nobody(topic: str | None) -> None:
    sealer = Sealer(SECRET_KEYS)
    url = stop_url("https://x.example/", sealer, vendor_id=VENDOR, notification_id=NOTIFICATION, topic=topic, now=NOW)
    assert url.startswith("https://x.example/stop/")
    assert len(url) < 200
    token = url.rpartition("/")[2]
    assert read_link(token, sealer, NOW) == (VENDOR, NOTIFICATION, topic, "email")
    assert VENDOR.hex not in token


def test_a_link_that_was_changed_cut_or_grew_old_or_is_of_other_keys_says_nothing() -> None:
    sealer = Sealer(SECRET_KEYS)
    url = stop_url("https://x.example", sealer, vendor_id=VENDOR, notification_id=NOTIFICATION, topic="news", now=NOW)
    token = url.rpartition("/")[2]
    for place in range(0, len(token), 7):
        other = "A" if token[place] != "A" else "B"
        assert read_link(token[:place] + other + token[place + 1 :], sealer, NOW) is None
    for wrong in ("", "A", "%", token[:-1], token + "A", "é" * 20, "A" * 700, token[:20]):
        assert read_link(wrong, sealer, NOW) is None
    assert read_link(token, sealer, NOW + VALID - timedelta(hours=1)) is not None
    assert read_link(token, sealer, NOW + VALID + timedelta(hours=1)) is None
    assert read_link(token, Sealer({"other": "A" * 43 + "="}), NOW) is None
    rotated = Sealer({"new": "A" * 43 + "=", **SECRET_KEYS})
    assert read_link(token, rotated, NOW) is not None


@given(st.text(max_size=200))
def test_no_text_makes_a_link_fail_otherwise(token: str) -> None:
    assert read_link(token, Sealer(SECRET_KEYS), NOW) is None


def test_the_gist_of_a_message_is_what_follows_the_greeting() -> None:
    assert gist("Halo Siti,\n\nDokumen Anda\nsudah diperiksa.\n\nSalam") == "Dokumen Anda sudah diperiksa."
    assert gist("Hanya ini.") == "Hanya ini."
    assert gist("") == ""
    assert len(gist("Halo,\n\n" + "kata " * 200)) <= 300
