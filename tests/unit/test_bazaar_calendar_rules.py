"""Calendars as another library reads them back: days, words, states, stability."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import vobject
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.bazaar.domain.bazaar import Opening
from services.bazaar.domain.calendar_files import runs, write_calendar
from services.bazaar.domain.calendars import Entry, entry_of_application, entry_of_bazaar

CREATED = datetime(2023, 2, 1, 3, 4, 5, 678901, tzinfo=UTC)
CHANGED = datetime(2023, 3, 1, 3, 4, 5, tzinfo=UTC)


def an_entry(**more: Any) -> Entry:
    fields: dict[str, Any] = {
        "uid": UUID(int=1),
        "name": "Bazar Jakpreneur",
        "days": (date(2023, 3, 20), date(2023, 3, 21)),
        "status": "CONFIRMED",
        "sequence": 2,
        "created_at": CREATED,
        "changed_at": CHANGED,
    }
    return Entry(**{**fields, **more})


def read_back(body: bytes) -> list[Any]:
    """The events, as vobject reads them."""
    calendar = vobject.readOne(body.decode())
    return list(getattr(calendar, "vevent_list", []))


def test_a_bazaar_is_whole_days_and_ends_on_the_day_after_its_last() -> None:
    (event,) = read_back(write_calendar("Bazar", [an_entry()]).body)
    assert (event.dtstart.value, event.dtend.value) == (date(2023, 3, 20), date(2023, 3, 22))
    assert event.dtstart.value_param == "DATE"
    assert event.uid.value == f"{UUID(int=1)}@lapak"
    assert (event.status.value, event.sequence.value) == ("CONFIRMED", "2")
    assert event.dtstamp.value == event.last_modified.value == CHANGED
    assert event.created.value == CREATED.replace(microsecond=0)


def test_days_apart_are_events_of_their_own() -> None:
    days = (date(2024, 2, 28), date(2024, 2, 29), date(2024, 3, 1), date(2024, 3, 4))
    events = read_back(write_calendar("Bazar", [an_entry(days=days)]).body)
    assert [(event.dtstart.value, event.dtend.value) for event in events] == [
        (date(2024, 2, 28), date(2024, 3, 2)),
        (date(2024, 3, 4), date(2024, 3, 5)),
    ]
    assert len({event.uid.value for event in events}) == 2


def test_an_opening_act_is_an_event_at_its_moment() -> None:
    opening = Opening(at=datetime(2023, 3, 20, 2, 0, tzinfo=UTC), title="Pembukaan", url="https://meet.example/a")
    _, event = read_back(write_calendar("Bazar", [an_entry(opening=opening)]).body)
    assert event.dtstart.value == datetime(2023, 3, 20, 2, 0, tzinfo=UTC)
    assert (event.summary.value, event.location.value) == ("Pembukaan", "https://meet.example/a")


def test_the_same_gives_the_same_bytes_and_tag_and_a_change_another() -> None:
    feed = write_calendar("Bazar", [an_entry()])
    assert write_calendar("Bazar", [an_entry()]) == feed
    assert write_calendar("Bazar", [an_entry(sequence=3)]).tag != feed.tag


def test_an_empty_calendar_is_one_too() -> None:
    assert read_back(write_calendar("Bazar", []).body) == []


def test_lines_are_folded_at_75_octets_and_end_as_rfc_5545_says() -> None:
    body = write_calendar("Bazar", [an_entry(name="Bazar Jum'at 🛍️ " * 7, lines=("é" * 500,))]).body
    assert body.endswith(b"\r\n")
    assert b"\n" not in body.replace(b"\r\n", b"")
    lines = body.split(b"\r\n")
    assert max(map(len, lines)) <= 75
    for line in lines:
        line.decode()  # no character is cut in two


WORDS = st.text(
    st.one_of(
        st.sampled_from("nNrR;"),
        st.sampled_from(list(",;:\\\"'\n🛍️é ^|=")),
        st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")),
    ),
    min_size=1,
    max_size=120,
)


@given(WORDS, WORDS, st.lists(WORDS, max_size=3))
@example("\n", "\\N", ["\\n", "\\\n"])
@settings(max_examples=300, deadline=None)
def test_any_words_come_back_as_they_were(name: str, line: str, places: list[str]) -> None:
    entry = an_entry(name=name, lines=(line,), places=tuple(places))
    (event,) = read_back(write_calendar(name, [entry]).body)
    assert event.summary.value == name
    assert event.description.value == line
    if places:
        assert event.location.value == "; ".join(places)
    assert event.dtstart.value == date(2023, 3, 20)


@given(st.sets(st.dates(date(2000, 1, 1), date(2199, 12, 30)), min_size=1, max_size=20))
def test_runs_hold_just_the_days_there_are(days: set[date]) -> None:
    found = runs(days)
    spread = [begin + timedelta(days=place) for begin, end in found for place in range((end - begin).days)]
    assert spread == sorted(days)
    assert all(end < begin for (_, end), (begin, _) in pairwise(found))


def row_of_bazaar(**more: Any) -> dict[str, Any]:
    return {
        "bazaar_id": UUID(int=1),
        "name": "Bazar",
        "theme": None,
        "organisers": ["Sudin PPKUKM"],
        "days": [date(2023, 3, 20)],
        "state": "announced",
        "revision": 1,
        "created_at": CREATED,
        "changed_at": CHANGED,
        "opening": None,
        "setting": "physical",
        "applications_close_at": datetime(2023, 3, 13, 10, 0, tzinfo=UTC),
        "places": ["Rusun Karang Anyar"],
        "url": None,
        **more,
    }


def test_states_are_told_as_calendars_know_them() -> None:
    told = {
        state: entry_of_bazaar(row_of_bazaar(state=state)).status
        for state in ("tentative", "announced", "frozen", "seeded", "allocated", "finished", "cancelled")
    }
    assert told.pop("tentative") == "TENTATIVE"
    assert told.pop("cancelled") == "CANCELLED"
    assert set(told.values()) == {"CONFIRMED"}


def test_an_online_bazaar_has_no_place_on_the_map() -> None:
    assert entry_of_bazaar(row_of_bazaar(setting="online")).places == ()
    assert entry_of_bazaar(row_of_bazaar()).lines == (
        "Penyelenggara: Sudin PPKUKM",
        "Lamaran lapak sampai 13-03-2023 17.00 WIB.",
    )


def row_of_application(**more: Any) -> dict[str, Any]:
    return {
        "application_id": UUID(int=9),
        "version": 2,
        "state": "offered",
        "applied_at": CREATED,
        "booth": "A07",
        "respond_by": datetime(2023, 3, 15, 10, 0, tzinfo=UTC),
        "name": "Bazar",
        "bazaar": "allocated",
        "revision": 1,
        "days": [date(2023, 3, 20)],
        "applications_close_at": datetime(2023, 3, 13, 10, 0, tzinfo=UTC),
        "changed_at": CHANGED,
        "site": "Rusun Karang Anyar",
        **more,
    }


def test_a_vendor_sees_until_when_to_answer() -> None:
    entry = entry_of_application(row_of_application())
    assert (entry.name, entry.status, entry.sequence) == ("Tawaran lapak: Bazar", "TENTATIVE", 3)
    assert entry.lines == ("Lapak A07, Rusun Karang Anyar", "Jawab sebelum 15-03-2023 17.00 WIB.")


def test_what_came_to_nothing_stays_visible_as_cancelled() -> None:
    for state in ("withdrawn", "ineligible", "declined", "lapsed", "released", "cancelled"):
        entry = entry_of_application(row_of_application(state=state))
        assert (entry.status, entry.lines) == ("CANCELLED", ()), state
    confirmed = entry_of_application(row_of_application(state="confirmed", bazaar="cancelled"))
    assert (confirmed.status, confirmed.name) == ("CANCELLED", "Bazar dibatalkan: Bazar")
    for state in ("confirmed", "attended", "missed"):
        assert entry_of_application(row_of_application(state=state)).status == "CONFIRMED"
