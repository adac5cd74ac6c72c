"""At the gate: scans of several phones that come in any order, who is absent, who walks in, who comes late."""

import asyncio
import random
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from services.bazaar.domain.gate import SYNC_DAYS_AFTER, SyncScans
from services.bazaar.handlers.gate import sync_scans
from services.bazaar.handlers.tickets import ISSUE
from shared.events.vendor import VendorMerged, VendorSuspended
from shared.ids import new_id
from shared.timers import set_timer
from tests.integration.bazaar import DAYS, Fair, at, site
from tests.integration.bazaar_day import Day, Phone, issue_tickets, open_day, ticket

MINUTE = timedelta(minutes=1)
A, B = Phone("phone-a"), Phone("phone-b")


async def sync(fair: Fair, day: Day, phone: Phone, *scans: dict[str, Any], sent_at: datetime | None = None) -> Any:
    body = phone.sending(scans, sent_at or fair.clock.now())
    return await fair.done(f"/v1/bazaars/{day.bazaar_id}/check-ins/sync", body)


async def rows(fair: Fair, statement: str) -> list[tuple[Any, ...]]:
    async with fair.database.read() as conn:
        return [tuple(row) for row in await conn.fetch(statement)]


CHECK_INS = "SELECT application_id, day, checked_in_at FROM check_in ORDER BY 1, 2"
SCANS = "SELECT scan_id, application_id, moment, day, state FROM scan ORDER BY 1"
BEFORE_AND_NOW = ("closes_at_before", "closes_at")
NO_SHOWS = "SELECT application_id FROM turn_adjustment WHERE because = 'no-show'"


# --- scans


async def test_a_scan_checks_in_once_however_often_it_is_sent(fair: Fair) -> None:
    day = await open_day(fair, booths=2, applicants=2)
    first, second = day.confirmed
    now = fair.clock.now()
    one, again = A.scan(await ticket(fair, first), now), B.scan(await ticket(fair, first), now - 5 * MINUTE)
    assert (await sync(fair, day, A, one))["checked_in"] == 1
    assert await sync(fair, day, A, one) == {
        "accepted": [one["scan_id"]],
        "checked_in": 0,
        "flagged": [],
        "refused": [],
    }
    typed = B.typed(second, now)
    assert (await sync(fair, day, B, again, typed))["checked_in"] == 1
    assert await rows(fair, CHECK_INS) == sorted(
        [(UUID(first), DAYS[0], now - 5 * MINUTE), (UUID(second), DAYS[0], now)]
    )
    shown = await fair.shown(f"/v1/bazaars/{day.bazaar_id}/check-ins")
    assert shown["days"] == [{"site_id": "one", "day": str(DAYS[0]), "checked_in": 2, "scans": 3}]
    assert len(await fair.published("BoothCheckedIn")) == 2
    fair.clock.moment = at(DAYS[1])
    assert (await sync(fair, day, A, A.scan(one["ticket"], fair.clock.now())))["checked_in"] == 1
    await fair.assert_sequences_have_no_gap()


async def test_a_forgery_is_refused_with_its_reason_and_the_others_count(fair: Fair) -> None:
    start = fair.clock.moment
    other = await open_day(fair, booths=1, applicants=1)
    fair.clock.moment = start
    day = await open_day(fair, booths=2, applicants=3)
    now = fair.clock.now()
    good = await ticket(fair, day.confirmed[0])
    scans = [
        A.scan(good[:40] + ("A" if good[40] != "A" else "B") + good[41:], now),
        A.scan("https://example.org/", now),
        A.scan(await ticket(fair, other.confirmed[0]), now),
        A.typed(other.confirmed[0], now),
        A.typed(day.waiting[0], now),
        A.scan(good, now),
    ]
    answer = await sync(fair, day, A, *scans)
    assert answer["accepted"] == [scans[-1]["scan_id"]]
    assert [one["code"] for one in answer["refused"]] == [
        "ticket-forged",
        "ticket-malformed",
        "ticket-elsewhere",
        "application-unknown",
        "not-confirmed",
    ]
    assert len(await rows(fair, SCANS)) == 1
    reused = A.scan(await ticket(fair, day.confirmed[1]), now, UUID(scans[-1]["scan_id"]))
    assert [one["code"] for one in (await sync(fair, day, A, reused))["refused"]] == ["scan-id-reused"]


async def test_a_ticket_that_was_replaced_or_given_back_is_refused_with_what_counts_now(fair: Fair) -> None:
    day = await open_day(fair, booths=2, applicants=2)
    first, second = day.confirmed
    old, given_back = await ticket(fair, first), await ticket(fair, second)
    async with fair.database.transaction() as conn:
        await conn.execute("UPDATE site SET days = $1", [DAYS[0]])
        await conn.execute("UPDATE application SET state = 'released' WHERE application_id = $1", UUID(second))
        await conn.execute("INSERT INTO timer (kind, key, due_at) VALUES ('tickets-issue', $1, now())", first)
    fair.clock.advance(minutes=1)
    async with fair.database.transaction() as conn:
        await conn.execute("UPDATE timer SET due_at = $1 WHERE kind = 'tickets-issue'", fair.clock.now())
    assert await issue_tickets(fair) == 1
    now = fair.clock.now()
    answer = await sync(fair, day, A, A.scan(old, now), A.scan(given_back, now), A.scan(await ticket(fair, first), now))
    assert [(one["code"], one["details"].get("serial")) for one in answer["refused"]] == [
        ("ticket-void", 2),
        ("ticket-void", None),
    ]
    assert answer["refused"][1]["details"]["state"] == "released"
    assert answer["checked_in"] == 1


async def test_a_clock_that_is_years_wrong_is_corrected_and_what_is_not_plausible_waits_for_an_officer(
    fair: Fair,
) -> None:
    day = await open_day(fair, booths=2, applicants=2)
    now, wrong = fair.clock.now(), timedelta(days=-3000)
    text = await ticket(fair, day.confirmed[0])
    assert (await sync(fair, day, A, A.scan(text, now + wrong - 20 * MINUTE), sent_at=now + wrong))["checked_in"] == 1
    assert [row[2] for row in await rows(fair, CHECK_INS)] == [now - 20 * MINUTE]
    # its clock was put right between the scan and the sending: nobody knows when it was
    lost = B.scan(await ticket(fair, day.confirmed[1]), now + wrong)
    answer = await sync(fair, day, B, lost)
    assert answer["flagged"] == [lost["scan_id"]]
    door = f"/v1/bazaars/{day.bazaar_id}/check-ins/flagged"
    (flagged,) = (await fair.shown(door))["items"]
    assert (flagged["because"], flagged["application_id"]) == ("not-a-bazaar-day", day.confirmed[1])
    assert await fair.refused(f"{door}/{new_id()}", {"accept": True}) == (404, "scan-unknown")
    assert await fair.refused(f"{door}/{lost['scan_id']}", {"accept": True}) == (409, "not-a-bazaar-day")
    await fair.done(f"{door}/{lost['scan_id']}", {"accept": True, "day": str(DAYS[0])})
    assert (await fair.shown(door))["items"] == []
    assert len(await rows(fair, CHECK_INS)) == 2
    assert (await sync(fair, day, B, lost))["accepted"] == [lost["scan_id"]], "an officer's word stands"
    await fair.assert_sequences_have_no_gap()


async def test_a_scan_that_an_officer_dismissed_does_not_come_back(fair: Fair) -> None:
    day = await open_day(fair, booths=1, applicants=1)
    lost = B.scan(await ticket(fair, day.confirmed[0]), fair.clock.now() - timedelta(days=30))
    await sync(fair, day, B, lost)
    door = f"/v1/bazaars/{day.bazaar_id}/check-ins/flagged/{lost['scan_id']}"
    await fair.done(door, {"accept": False})
    assert await fair.refused(door, {"accept": True}) == (404, "scan-unknown")
    answer = await sync(fair, day, B, lost)
    assert (answer["accepted"], answer["flagged"]) == ([], [])
    assert await fair.states(day.confirmed) == ["confirmed"]


async def test_phones_that_come_back_after_the_end_put_right_who_was_missed(fair: Fair) -> None:
    day = await open_day(fair, booths=2, applicants=2)
    text, morning = await ticket(fair, day.confirmed[0]), fair.clock.now()
    fair.clock.moment = at(DAYS[1] + timedelta(days=1))
    assert await fair.done(f"/v1/bazaars/{day.bazaar_id}/finish") == {"attended": 0, "missed": 2}
    assert len(await rows(fair, NO_SHOWS)) == 2
    (held,) = await fair.published("BazaarHeld")
    assert (held.body["attended"], held.body["missed"]) == (0, 2)
    late = A.scan(text, morning)
    assert (await sync(fair, day, A, late))["checked_in"] == 1
    assert await fair.states(day.confirmed) == ["attended", "missed"]
    assert await rows(fair, NO_SHOWS) == [(UUID(day.confirmed[1]),)]
    await fair.assert_sequences_have_no_gap()
    fair.clock.moment = at(DAYS[1] + timedelta(days=SYNC_DAYS_AFTER + 1))
    sync_door = f"/v1/bazaars/{day.bazaar_id}/check-ins/sync"
    assert await fair.refused(sync_door, A.sending([late], fair.clock.now())) == (409, "sync-too-late")


async def test_phones_that_send_at_once_leave_one_check_in_each(fair: Fair) -> None:
    day = await open_day(fair, booths=6, applicants=6)
    now = fair.clock.now()
    texts = [await ticket(fair, one) for one in day.confirmed]
    phones = [Phone(f"p{number}") for number in range(6)]
    chance, own = random.Random(5), {phone.name: [phone.scan(text, now) for text in texts] for phone in phones}
    await fair.crowd()

    async def send(phone: Phone) -> None:
        for _ in range(3):
            scans = chance.sample(own[phone.name], 4)
            await sync(fair, day, phone, *scans)
        await sync(fair, day, phone, *reversed(own[phone.name]))

    await asyncio.gather(*(send(phone) for phone in phones))
    assert len(await rows(fair, CHECK_INS)) == 6
    assert len(await rows(fair, SCANS)) == 36
    assert len(await fair.published("BoothCheckedIn")) == 6
    await fair.assert_sequences_have_no_gap()


async def test_in_whatever_order_parts_and_repeats_scans_come_the_state_is_the_same(fair: Fair) -> None:
    """Scans of three phones over both days, one clock years wrong, sent in parts with the network's delays, in any
    order and again (rolled back each time): the same scans, the same check-ins, the same versions."""
    day = await open_day(fair, booths=3, applicants=3)
    texts = [await ticket(fair, one) for one in day.confirmed]
    skews = {"a": timedelta(0), "b": timedelta(days=-700), "c": timedelta(minutes=9)}
    morning, next_day = at(DAYS[0], 8), at(DAYS[1], 8)
    fair.clock.moment = now = at(DAYS[1], 20)
    scans = [
        (phone, Phone(phone).scan(text, begin + index * MINUTE + skew))
        for phone, skew in skews.items()
        for index, text in enumerate(texts)
        for begin in ((morning, next_day) if phone != "b" else (morning,))
    ] + [("a", Phone("a").scan(texts[0], now - timedelta(days=60)))]

    class RollBack(Exception):
        pass

    async def state_after(sendings: list[tuple[str, timedelta, list[dict[str, Any]]]]) -> Any:
        found: Any = None
        try:
            async with fair.database.transaction() as conn:
                for phone, delay, sent in sendings:
                    sending = SyncScans.model_validate(Phone(phone).sending(sent, now + skews[phone] - delay))
                    await sync_scans(conn, UUID(day.bazaar_id), sending, now=now)
                applications = await conn.fetch("SELECT application_id, state, version FROM application ORDER BY 1")
                scanned, came = await conn.fetch(SCANS), await conn.fetch(CHECK_INS)
                found = ([tuple(row) for row in part] for part in (came, scanned, applications))
                raise RollBack
        except RollBack:
            return tuple(found)

    chance = random.Random(11)
    sendings = [
        (phone, timedelta(seconds=chance.randrange(90)), chance.sample(own, chance.randint(1, len(own))))
        for phone, own in ((name, [scan for by, scan in scans if by == name]) for name in "aabbcc")
    ] + [(phone, timedelta(seconds=40), [scan]) for phone, scan in scans]
    expected = await state_after(sendings)
    assert len(expected[0]) == 6
    assert [row[4] for row in expected[1]].count("flagged") == 1
    for _ in range(10):
        again = [*sendings, *chance.choices(sendings, k=6)]
        chance.shuffle(again)
        assert await state_after(again) == expected


# --- who is absent, who walks in


async def release(fair: Fair, day: Day, site_id: str = "one") -> int:
    missed: int = (await fair.done(f"/v1/bazaars/{day.bazaar_id}/sites/{site_id}/release-absent"))["missed"]
    return missed


async def walk_in(fair: Fair, day: Day, *present: UUID, site_id: str = "one") -> dict[str, Any]:
    body = {"site_id": site_id, "present": [str(one) for one in present]}
    return await fair.done(f"/v1/bazaars/{day.bazaar_id}/walk-ins", body)


async def test_booths_of_the_absent_go_to_those_present_in_the_order_of_the_queue(fair: Fair) -> None:
    day = await open_day(fair, booths=3, applicants=6)
    here, *absent = day.confirmed
    await sync(fair, day, A, A.scan(await ticket(fair, here), fair.clock.now()))
    door = f"/v1/bazaars/{day.bazaar_id}/sites/one/release-absent"
    assert await fair.refused(door) == (409, "gate-open")
    fair.clock.moment = at(DAYS[0], 10)
    assert await release(fair, day) == 2
    assert await release(fair, day) == 0
    assert await fair.states(day.confirmed) == ["attended", "missed", "missed"]
    assert sorted(row[0] for row in await rows(fair, NO_SHOWS)) == sorted(map(UUID, absent))

    (newcomer,) = await fair.register(1)
    queue = [day.vendors[one] for one in day.waiting]
    answer = await walk_in(fair, day, newcomer, queue[2], queue[1])
    assert [(one["vendor_id"], one["queued"]) for one in answer["assigned"]] == [
        (str(queue[1]), True),
        (str(queue[2]), True),
    ]
    assert [(one["vendor_id"], one["code"]) for one in answer["turned_away"]] == [(str(newcomer), "no-booth-free")]
    assert await fair.states(day.waiting) == ["queued", "attended", "attended"]
    turns = await rows(fair, "SELECT vendor_id FROM turn")
    assert {(queue[1],), (queue[2],)} <= set(turns)
    await issue_tickets(fair)
    await ticket(fair, day.waiting[1])
    await fair.assert_booths_are_held_once()
    await fair.assert_sequences_have_no_gap()


async def test_newcomers_get_what_the_queue_leaves_and_have_applied_confirmed_and_come(fair: Fair) -> None:
    day = await open_day(fair, booths=3, applicants=3)
    fair.clock.moment = at(DAYS[0], 11)
    assert await release(fair, day) == 3
    untrained, (trained, suspended) = (await fair.register(1, trained=False))[0], await fair.register(2)
    await fair.hear(VendorSuspended(vendor_id=suspended, reason="false-data"))
    missed = day.vendors[day.confirmed[0]]
    answer = await walk_in(fair, day, missed, untrained, suspended, trained, trained)
    assert {one["vendor_id"]: one["code"] for one in answer["turned_away"]} == {
        str(missed): "not-a-walk-in",
        str(untrained): "training-missing",
        str(suspended): "vendor-suspended",
    }
    (one,) = answer["assigned"]
    assert (one["vendor_id"], one["queued"]) == (str(trained), False)
    shown = await fair.application(one["application_id"])
    assert (shown["state"], shown["checked_in"]) == ("attended", [str(DAYS[0])])
    events = [event for event in await fair.published() if str(event.key) == one["application_id"]]
    assert [event.type for event in events] == ["ApplicationReceived", "BoothConfirmed", "BoothCheckedIn"]
    assert events[0].body["origin"] == "walk-in"
    assert await fair.done(f"/v1/bazaars/{day.bazaar_id}/walk-ins", {"site_id": "one", "present": [str(trained)]}) == {
        "assigned": [],
        "turned_away": [
            {
                "vendor_id": str(trained),
                "code": "not-a-walk-in",
                "reason": answer["turned_away"][0]["reason"].replace("missed", "attended"),
            }
        ],
    }
    await fair.assert_sequences_have_no_gap()


async def test_a_person_with_two_registrations_has_one_booth(fair: Fair) -> None:
    day = await open_day(fair, booths=2, applicants=2)
    one, other = await fair.register(2)
    await fair.hear(VendorMerged(vendor_id=one, into=other, merge_id=new_id()))
    fair.clock.moment = at(DAYS[0], 10)
    await release(fair, day)
    answer = await walk_in(fair, day, one, other)
    assert len(answer["assigned"]) == 1
    assert len(await rows(fair, "SELECT 1 FROM application WHERE origin = 'walk-in'")) == 1


async def test_who_comes_late_has_its_booth_while_nobody_else_has(fair: Fair) -> None:
    day = await open_day(fair, booths=2, applicants=3)
    first, second = day.confirmed
    texts = [await ticket(fair, one) for one in day.confirmed]
    fair.clock.moment = at(DAYS[0], 10)
    assert await release(fair, day) == 2
    (given,) = (await walk_in(fair, day, day.vendors[day.waiting[0]]))["assigned"]
    async with fair.database.read() as conn:
        lost = str(
            await conn.fetchval(
                "SELECT application_id FROM application WHERE state = 'missed' AND booth = $1", given["booth"]
            )
        )
    kept = second if lost == first else first
    by_id = dict(zip(day.confirmed, texts, strict=True))
    fair.clock.advance(minutes=30)
    now = fair.clock.now()
    answer = await sync(fair, day, A, A.scan(by_id[lost], now), A.scan(by_id[kept], now))
    assert [one["code"] for one in answer["refused"]] == ["booth-given-away"]
    assert given["booth"] in answer["refused"][0]["reason"]
    assert await fair.states([lost, kept]) == ["missed", "attended"]
    assert await rows(fair, NO_SHOWS) == [(UUID(lost),)]
    by_list = await fair.done(
        f"/v1/bazaars/{day.bazaar_id}/check-ins", {"day": str(DAYS[0]), "application_ids": [lost]}
    )
    assert [one["code"] for one in by_list["refused"]] == ["booth-given-away"]
    # a phone that was offline comes back: it was scanned in time, so it is no no-show, and an officer must find a way
    early = await sync(fair, day, B, B.scan(by_id[lost], at(DAYS[0], 9)))
    assert len(early["flagged"]) == 1
    assert await rows(fair, NO_SHOWS) == []
    await fair.assert_booths_are_held_once()


async def test_of_two_gates_that_give_the_last_booth_one_does(fair: Fair) -> None:
    day = await open_day(fair, booths=1, applicants=1)
    people = await fair.register(6)
    fair.clock.moment = at(DAYS[0], 10)
    await release(fair, day)
    await fair.crowd()
    answers = await asyncio.gather(*(walk_in(fair, day, one) for one in people))
    assert sum(len(answer["assigned"]) for answer in answers) == 1
    assert await rows(fair, "SELECT count(*) FROM application WHERE state = 'attended'") == [(1,)]
    await fair.assert_sequences_have_no_gap()


async def test_a_late_comer_and_a_walk_in_at_once_do_not_share_a_booth(fair: Fair) -> None:
    day = await open_day(fair, booths=3, applicants=6)
    texts = [await ticket(fair, one) for one in day.confirmed]
    fair.clock.moment = at(DAYS[0], 10)
    await release(fair, day)
    await fair.crowd()
    now = fair.clock.now()
    await asyncio.gather(
        *(sync(fair, day, Phone(f"p{at}"), A.scan(text, now)) for at, text in enumerate(texts)),
        *(walk_in(fair, day, day.vendors[one]) for one in day.waiting),
    )
    assert await rows(fair, "SELECT count(*) FROM application WHERE state = 'attended'") == [(3,)]
    taken = await rows(fair, "SELECT booth FROM application WHERE state = 'attended'")
    assert len(set(taken)) == 3
    await fair.assert_sequences_have_no_gap()


async def test_caps_of_a_site_hold_at_its_gate_too(fair: Fair) -> None:
    capped = site("one", 2, caps=[{"group": "category", "value": "health", "seats": 1}])
    day = await open_day(fair, applicants=2, sites=[capped])
    healthy = await fair.register(2, category="health")
    fair.clock.moment = at(DAYS[0], 10)
    await release(fair, day)
    answer = await walk_in(fair, day, *healthy)
    assert len(answer["assigned"]) == 1
    assert [one["code"] for one in answer["turned_away"]] == ["no-booth-free"]


async def test_a_gate_may_close_at_another_time(fair: Fair) -> None:
    early = await fair.announce([site("one", 1)])
    await fair.done(f"/v1/bazaars/{early}/sites/one/gate", {"closes_at": "07:30"})
    assert (await fair.shown(f"/v1/bazaars/{early}/gate/list"))["sites"][0]["closes_at"] == "07:30"
    day = await open_day(fair, booths=1, applicants=1)
    door = f"/v1/bazaars/{day.bazaar_id}/sites"
    for closes_at in ("23:00", "10:00"):
        await fair.done(f"{door}/one/gate", {"closes_at": closes_at})
    fair.clock.moment = at(DAYS[0], 10)
    assert await release(fair, day) == 1
    for path in ("gate", "release-absent"):
        body = {"closes_at": "11:00"} if path == "gate" else None
        assert await fair.refused(f"{door}/two/{path}", body) == (404, "unknown-site")


async def test_who_has_a_ticket_is_told_when_the_gate_closes_and_of_every_change(fair: Fair) -> None:
    day = await open_day(fair, booths=2, applicants=3)
    came, late = day.confirmed
    door = f"/v1/bazaars/{day.bazaar_id}/sites/one/gate"
    ten, half_past_eleven = at(DAYS[0], 10), at(DAYS[0], 11) + 30 * MINUTE

    async def told() -> list[tuple[str, datetime, datetime]]:
        changes = await fair.published("GateClosingChanged")
        moments = [[datetime.fromisoformat(one.body[name]) for name in BEFORE_AND_NOW] for one in changes]
        return [(str(one.key), before, now) for one, (before, now) in zip(changes, moments, strict=True)]

    issued = await fair.published("TicketIssued")
    assert [datetime.fromisoformat(one.body["gate_closes_at"]) for one in issued] == [ten, ten]
    await fair.done(door, {"closes_at": "10:00"})
    assert await told() == [], "nothing has changed"
    await sync(fair, day, A, A.scan(await ticket(fair, came), fair.clock.now()))
    await fair.done(door, {"closes_at": "11:30"})
    assert await told() == [(late, ten, half_past_eleven)], "who is there already need not hurry"
    await fair.done(door, {"closes_at": "10:00"})
    assert await told() == [(late, ten, half_past_eleven), (late, half_past_eleven, ten)]
    fair.clock.moment = at(DAYS[0], 12)
    await fair.done(door, {"closes_at": "11:30"})
    assert len(await told()) == 2, "it is over"
    async with fair.database.transaction() as conn:
        await conn.execute("UPDATE site SET days = $1", [DAYS[0]])
        await set_timer(conn, ISSUE, late, fair.clock.now())
    assert await issue_tickets(fair) == 1
    assert (await fair.published("TicketIssued"))[-1].body["gate_closes_at"] is None
    await fair.assert_sequences_have_no_gap()


async def test_nobody_is_made_late_by_a_gate_that_is_closed_earlier_afterwards(fair: Fair) -> None:
    """Closed at one minute past midnight, it would hand the booths of all to whoever is let in at night."""
    day = await open_day(fair, booths=1, applicants=1)
    door = f"/v1/bazaars/{day.bazaar_id}/sites/one"
    fair.clock.moment = at(DAYS[0], 7)
    for closes_at in ("00:01", "09:59"):
        assert await fair.refused(f"{door}/gate", {"closes_at": closes_at}) == (409, "gate-earlier")
    assert await fair.refused(f"{door}/release-absent") == (409, "gate-open")


async def test_the_page_of_the_gate_holds_no_data_and_the_list_no_names(fair: Fair) -> None:
    day = await open_day(fair, booths=2, applicants=2)
    page = await fair.client.get(f"/v1/bazaars/{day.bazaar_id}/gate")
    assert page.headers["content-type"].startswith("text/html")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "sha256-" in policy
    assert "http://" not in page.text.replace("http://www.w3.org", "")
    assert "https://" not in page.text
    door = f"/v1/bazaars/{day.bazaar_id}/gate/list"
    shown = await fair.shown(f"{door}?site_id=one")
    assert set(shown) == {"bazaar_id", "bazaar_name", "as_of", "scans_max", "keys", "sites"}
    (one,) = shown["sites"]
    assert set(one) == {"site_id", "name", "days", "closes_at", "released_at", "expected"}
    assert sorted(one["expected"][0]) == ["application_id", "booth", "checked_in", "serial", "state"]
    assert sorted(row["application_id"] for row in one["expected"]) == sorted(day.confirmed)
    assert (await fair.client.get(door)).status_code == 401
    assert (await fair.get(door, token=fair.officer("31.74"))).status_code == 403
    assert (await fair.client.get(f"/v1/bazaars/{new_id()}/gate")).status_code == 404
