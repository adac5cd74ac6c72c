"""Who is invited to which class."""

from dataclasses import replace
from datetime import date, timedelta
from uuid import UUID

from services.training.domain import classes, invitations
from services.training.domain.classes import OpenClass, TrainingClass
from services.training.domain.enrolments import Standing
from services.training.domain.invitations import Newcomer
from services.training.domain.openings import Opening

DAY = date(2023, 3, 6)
KARANG_ANYAR = "31.71.02.1002"  # Sawah Besar, Central Jakarta
GAMBIR = "31.71.01.1001"


def a_class(number: int, area: str, *, first: date = DAY, places: int = 30) -> TrainingClass:
    command = OpenClass(
        course=invitations.INTRODUCTORY_COURSE, title=f"Kelas {number}", area=area, days=[first], places=places
    )
    return classes.open_class(UUID(int=number), command)[0]


def invited_to(kelurahan: str, *openings: Opening, vendors: int = 1) -> list[UUID | None]:
    newcomers = [Newcomer(UUID(int=1000 + number), kelurahan) for number in range(vendors)]
    events = invitations.invite_newcomers(newcomers, openings)
    assert [event.vendor_id for event in events] == [newcomer.vendor_id for newcomer in newcomers]
    assert {event.course for event in events} == {invitations.INTRODUCTORY_COURSE}
    return [event.class_id for event in events]


def test_without_a_class_a_newcomer_is_invited_to_wait() -> None:
    assert invited_to(KARANG_ANYAR) == [None]
    assert invited_to(KARANG_ANYAR, Opening(a_class(1, "31.71.01"), 5)) == [None]


def test_the_nearest_class_is_chosen_even_if_it_begins_later() -> None:
    province = Opening(a_class(1, "31"), 5)
    city = Opening(a_class(2, "31.71", first=DAY + timedelta(days=1)), 5)
    kecamatan = Opening(a_class(3, "31.71.02", first=DAY + timedelta(days=2)), 5)
    kelurahan = Opening(a_class(4, KARANG_ANYAR, first=DAY + timedelta(days=3)), 5)
    assert invited_to(KARANG_ANYAR, province) == [UUID(int=1)]
    assert invited_to(KARANG_ANYAR, province, city) == [UUID(int=2)]
    assert invited_to(KARANG_ANYAR, province, city, kecamatan) == [UUID(int=3)]
    assert invited_to(KARANG_ANYAR, province, city, kecamatan, kelurahan) == [UUID(int=4)]
    assert invited_to(GAMBIR, province, city, kecamatan, kelurahan) == [UUID(int=2)]


def test_among_classes_of_one_area_the_first_to_begin_is_chosen() -> None:
    later = Opening(a_class(1, "31.71.02", first=DAY + timedelta(days=1)), 5)
    sooner = Opening(a_class(2, "31.71.02"), 5)
    assert invited_to(KARANG_ANYAR, later, sooner) == [UUID(int=2)]


def test_a_class_is_offered_no_further_than_its_room() -> None:
    near = Opening(a_class(1, "31.71.02"), 2)
    far = Opening(a_class(2, "31"), 1)
    assert invited_to(KARANG_ANYAR, near, far, vendors=5) == [UUID(int=1)] * 2 + [UUID(int=2)] + [None] * 2


def test_a_class_without_room_is_offered_to_nobody() -> None:
    assert invited_to(KARANG_ANYAR, Opening(a_class(1, "31.71.02"), 0)) == [None]
    assert invited_to(KARANG_ANYAR, Opening(a_class(1, "31.71.02"), -1)) == [None]


def test_an_invitation_to_a_class_says_when_it_is() -> None:
    event = invitations.invitation(UUID(int=5), "dasar-kewirausahaan", a_class(1, "31"))
    assert (event.class_id, event.title, event.days) == (UUID(int=1), "Kelas 1", [DAY])


def test_only_a_class_still_ahead_takes_invitations() -> None:
    offered = a_class(1, "31")
    assert invitations.takes_invitations(offered, DAY - timedelta(days=1))
    assert not invitations.takes_invitations(offered, DAY)
    assert not invitations.takes_invitations(replace(offered, state="finished"), DAY - timedelta(days=1))


def test_those_who_wait_are_invited_up_to_the_places() -> None:
    waiting = [UUID(int=number) for number in (7, 5, 6)]
    events = invitations.invite_waiting(a_class(1, "31", places=2), waiting, {})
    assert [event.vendor_id for event in events] == [UUID(int=7), UUID(int=5)]


def test_who_found_a_place_or_completed_meanwhile_is_left_out() -> None:
    waiting = [UUID(int=number) for number in (5, 6, 7)]
    standings = {
        UUID(int=5): Standing(open_class=UUID(int=2)),
        UUID(int=6): Standing(completed=True),
        UUID(int=7): Standing(),
    }
    events = invitations.invite_waiting(a_class(1, "31"), waiting, standings)
    assert [event.vendor_id for event in events] == [UUID(int=7)]
