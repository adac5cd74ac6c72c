"""Appeals: filed, decided by a human once, answered; later rounds feel it, stored rounds and offers never do."""

import asyncio
import base64
import json
from collections import Counter
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from services.bazaar.allocation.stored import solve_stored
from services.bazaar.handlers.rounds import publish_round
from services.bazaar.store.appeals import SEALED_ANSWERS, SEALED_TEXTS
from services.bazaar.store.rounds import find_problem
from shared.crypto import Sealer
from shared.events.rights import VendorErased
from shared.events.vendor import VendorMerged
from shared.ids import new_id
from shared.resealing import reseal
from tests.conftest import SECRET_KEYS
from tests.integration.bazaar import CLOSING, DAYS, Fair, at, site

WORDS = "Pesan penawaran tidak pernah sampai ke ponsel saya."
ANSWER = "Kami periksa: pesannya memang gagal terkirim. Maaf."


async def file(fair: Fair, application_id: str, about: str, *, token: str | None = None) -> str:
    wish = {"about": about, "text": WORDS}
    path = f"/v1/applications/{application_id}/appeals"
    appeal_id: str = (await fair.done(path, wish, token=token or await vendor_of(fair, application_id)))["appeal_id"]
    return appeal_id


def decision(remedy: str = "none", **more: Any) -> dict[str, Any]:
    return {"upheld": True, "reason": "message-not-received", "answer": ANSWER, "remedy": remedy, **more}


async def vendor_of(fair: Fair, application_id: str) -> str:
    async with fair.database.read() as conn:
        vendor_id = await conn.fetchval("SELECT vendor_id FROM application WHERE application_id = $1", application_id)
    return fair.vendor(vendor_id)


async def round_of(fair: Fair, vendors: list[UUID], booths: int = 1) -> tuple[str, dict[str, list[str]]]:
    """A published round of these vendors: the bazaar, and its applications by state."""
    bazaar_id = await fair.announce([site("one", booths)])
    applications = await fair.apply_all(bazaar_id, vendors)
    fair.clock.moment = max(fair.clock.moment, CLOSING)
    await fair.done(f"/v1/bazaars/{bazaar_id}/freeze")
    await fair.done(f"/v1/bazaars/{bazaar_id}/seed", {"seed": "3-8-19", "source": "Undian terbuka di balai warga"})
    async with fair.database.transaction() as conn:
        # solved in this process, which saves a second each time
        solved = solve_stored(await find_problem(conn, UUID(bazaar_id), 1))
        await publish_round(conn, UUID(bazaar_id), solved, now=fair.clock.now())
    by_state: dict[str, list[str]] = {"offered": [], "queued": []}
    for one, state in zip(applications, await fair.states(applications), strict=True):
        by_state[state].append(one)
    return bazaar_id, by_state


async def stored(fair: Fair, bazaar_id: str) -> list[Any]:
    """Everything that was decided in a bazaar, byte for byte: its rounds, its queue, its offers."""
    async with fair.database.read() as conn:
        rounds = await conn.fetch("SELECT * FROM allocation_round WHERE bazaar_id = $1 ORDER BY round", UUID(bazaar_id))
        standing = await conn.fetch(
            "SELECT application_id, state, place, because, ahead, site_id, booth, respond_by FROM application "
            "WHERE bazaar_id = $1 ORDER BY application_id",
            UUID(bazaar_id),
        )
    return [tuple(row.values()) for row in (*rounds, *standing)]


async def next_problem(fair: Fair, vendors: list[UUID], when: date) -> dict[UUID, tuple[int, date]]:
    """Where these vendors stand in the problem of a later round: turns, and since when they wait."""
    closing = at(when - timedelta(days=5))
    bazaar_id = await fair.announce(days=[when.isoformat()], applications_close_at=closing.isoformat())
    applications = await fair.apply_all(bazaar_id, vendors)
    fair.clock.moment = closing
    await fair.done(f"/v1/bazaars/{bazaar_id}/freeze")
    frozen = json.loads((await fair.client.get(f"/v1/bazaars/{bazaar_id}/rounds/1/frozen")).content)
    entries = {one["id"]: one for one in frozen["applicants"]}
    found = {}
    for vendor_id, application_id in zip(vendors, applications, strict=True):
        shown = await fair.application(application_id)
        entry = entries[shown["pseudonym"] or application_id]
        found[vendor_id] = (entry["turns"], date.fromisoformat(entry["waiting_since"]))
    return found


async def test_priority_is_granted_for_later_rounds_and_changes_no_stored_one(fair: Fair) -> None:
    vendors = await fair.register(4)
    bazaar_id, by_state = await round_of(fair, vendors)
    objecting, other = by_state["queued"][:2]
    who = UUID((await fair.application(objecting))["vendor_id"])
    before = await stored(fair, bazaar_id)

    appeal_id = await file(fair, objecting, "not-served")
    await fair.done(f"/v1/appeals/{appeal_id}/decide", decision("priority-granted", reason="our-mistake"))

    assert await stored(fair, bazaar_id) == before
    events = [(event.type, event.sequence) for event in await fair.published() if str(event.key) == objecting]
    assert events[-2:] == [("AppealFiled", 3), ("AppealDecided", 4)]
    (decided,) = await fair.published("AppealDecided")
    assert (decided.body["upheld"], decided.body["remedy"]) == (True, "priority-granted")
    async with fair.database.read() as conn:
        told = await conn.fetchval("SELECT string_agg(convert_from(payload, 'UTF8'), '') FROM outbox")
    assert WORDS not in told
    assert ANSWER not in told

    day = fair.clock.today()
    shown = (await fair.application(objecting))["explanation"]
    assert "masa tunggu Anda dihitung 60 hari lebih lama" in shown["id"]
    assert "1 turn fewer" in shown["en"]
    standings = await next_problem(fair, vendors, date(2023, 4, 3))
    compared = UUID((await fair.application(other))["vendor_id"])
    # of 365 days 16 have gone by: of 60 days of waiting 57 are left
    assert (fair.clock.today() - day).days == 16
    assert standings[compared][1] - standings[who][1] == timedelta(days=57)
    await fair.assert_sequences_have_no_gap()


async def test_a_turn_is_returned_with_its_no_show(fair: Fair) -> None:
    lapsing, missing, *rest = vendors = await fair.register(3)
    bazaar_id, by_state = await round_of(fair, vendors, booths=3)
    of_vendor = {UUID((await fair.application(one))["vendor_id"]): one for one in by_state["offered"]}
    for vendor_id in (missing, *rest):
        await fair.answer(of_vendor[vendor_id], "confirm")
    fair.clock.moment = CLOSING + timedelta(days=2)
    await fair.run_timers()
    fair.clock.moment = at(DAYS[-1] + timedelta(days=1))
    await fair.done(f"/v1/bazaars/{bazaar_id}/finish")
    assert await fair.states([of_vendor[lapsing], of_vendor[missing]]) == ["lapsed", "missed"]
    before = await stored(fair, bazaar_id)

    for vendor_id, about in ((lapsing, "lapsed"), (missing, "no-show")):
        token = fair.vendor(vendor_id)
        assert "satu giliran" in (await fair.application(of_vendor[vendor_id]))["explanation"]["id"]
        appeal_id = await file(fair, of_vendor[vendor_id], about, token=token)
        await fair.done(f"/v1/appeals/{appeal_id}/decide", decision("turn-returned"))
        shown = await fair.shown(f"/v1/appeals/{appeal_id}", token=token)
        assert (shown["state"], shown["answer"], shown["text"]) == ("upheld", ANSWER, WORDS)
        assert "dikembalikan kepada Anda" in (await fair.application(of_vendor[vendor_id]))["explanation"]["id"]
        again = {"about": "other", "text": WORDS}
        other_id = (await fair.done(f"/v1/applications/{of_vendor[vendor_id]}/appeals", again, token=token))[
            "appeal_id"
        ]
        path = f"/v1/appeals/{other_id}/decide"
        assert await fair.refused(path, decision("turn-returned")) == (409, "nothing-to-return")

    assert await stored(fair, bazaar_id) == before
    async with fair.database.read() as conn:
        turned = {row["vendor_id"] for row in await conn.fetch("SELECT vendor_id FROM turn")}
        adjusted = {row["vendor_id"] for row in await conn.fetch("SELECT vendor_id FROM turn_adjustment")}
    assert turned == {rest[0]}
    assert adjusted == {rest[0]}
    standings = await next_problem(fair, vendors, date(2023, 5, 1))
    assert [standings[one][0] for one in vendors][:2] == [0, 0]
    assert standings[rest[0]][0] >= 1
    await fair.assert_sequences_have_no_gap()


async def test_waiting_is_restored_until_the_next_turn(fair: Fair) -> None:
    vendors = await fair.register(2)
    _, by_state = await round_of(fair, vendors)
    (objecting,) = by_state["queued"]
    who = UUID((await fair.application(objecting))["vendor_id"])
    appeal_id = await file(fair, objecting, "other")
    path, since = f"/v1/appeals/{appeal_id}/decide", "2022-11-05"
    assert await fair.refused(path, decision("waiting-restored", since="2023-03-01")) == (409, "since-not-earlier")
    assert await fair.refused(path, decision("waiting-restored")) == (422, "invalid")
    assert await fair.refused(path, decision(since=since)) == (422, "invalid")
    assert await fair.refused(path, {**decision(), "upheld": False}) == (422, "invalid")
    await fair.done(path, decision("waiting-restored", since=since, reason="data-corrected"))

    assert (await next_problem(fair, vendors, date(2023, 6, 5)))[who] == (0, date(2022, 11, 5))

    async with fair.database.transaction() as conn:
        turn = "INSERT INTO turn (application_id, vendor_id, day) VALUES ($1, $2, $3)"
        await conn.execute(turn, UUID(objecting), who, date(2023, 6, 10))
    assert (await next_problem(fair, vendors, date(2023, 7, 3)))[who] == (1, date(2023, 6, 10))


async def test_of_appeals_filed_at_once_one_counts_and_of_officers_who_decide_at_once_one_decides(fair: Fair) -> None:
    _, by_state = await round_of(fair, await fair.register(2))
    (objecting,) = by_state["queued"]
    token = await vendor_of(fair, objecting)
    path, objection = f"/v1/applications/{objecting}/appeals", {"about": "not-served", "text": WORDS}
    await fair.crowd()
    responses = await asyncio.gather(*(fair.post(path, objection, token=token) for _ in range(8)))
    found = Counter("done" if one.is_success else one.json()["code"] for one in responses)
    assert found == {"done": 1, "appealed-already": 7}
    appeal_id = next(one.json()["appeal_id"] for one in responses if one.is_success)
    officers = [fair.issuer.token(f"officer-{number}", ["officer"], area="31.71") for number in range(8)]
    wishes = [
        decision("priority-granted") if number % 2 else {**decision(), "upheld": False, "reason": "rule-was-followed"}
        for number in range(8)
    ]
    responses = await asyncio.gather(
        *(
            fair.post(f"/v1/appeals/{appeal_id}/decide", wish, token=token)
            for wish, token in zip(wishes, officers, strict=True)
        )
    )
    found = Counter("done" if one.is_success else one.json()["code"] for one in responses)
    assert found == {"done": 1, "appeal-decided": 7}
    (decided,) = await fair.published("AppealDecided")
    async with fair.database.read() as conn:
        assert await conn.fetchval("SELECT count(*) FROM turn_adjustment") == int(decided.body["upheld"])
    await fair.assert_sequences_have_no_gap()


async def test_who_may_file_see_and_decide(fair: Fair) -> None:
    one, other = await fair.register(2)
    _, by_state = await round_of(fair, [one, other])
    (queued,) = by_state["queued"]
    who = UUID((await fair.application(queued))["vendor_id"])
    stranger = fair.vendor(other if who == one else one)
    wish = {"about": "not-served", "text": WORDS}
    path = f"/v1/applications/{queued}/appeals"
    assert await fair.refused(path, wish, token=stranger) == (403, "not-own-data")
    assert await fair.refused(path, {**wish, "about": "lapsed"}) == (409, "appeal-not-fitting")
    assert await fair.refused(path, {**wish, "text": "   pendek   "}) == (422, "invalid")
    filing = fair.issuer.token("officer-who-files", ["officer"], area="31.71")
    appeal_id = (await fair.done(path, wish, token=filing))["appeal_id"]
    door = f"/v1/appeals/{appeal_id}"
    for token, code in (
        (filing, "own-appeal"),
        (fair.issuer.token("both", ["officer", "vendor"], area="31.71", vendor_id=who), "own-appeal"),
        (fair.officer("31.72"), "outside-area"),
        (fair.vendor(who), "role-missing"),
        (stranger, "role-missing"),
    ):
        assert await fair.refused(f"{door}/decide", decision(), token=token) == (403, code)
    assert (await fair.get(door, token=stranger)).status_code == 403
    assert (await fair.get(door, token=fair.officer("31.72"))).status_code == 403
    assert (await fair.shown(door, token=fair.vendor(who)))["text"] == WORDS
    assert [item["appeal_id"] for item in (await fair.shown("/v1/appeals"))["items"]] == [appeal_id]
    assert "text" not in (await fair.shown("/v1/appeals"))["items"][0]
    for area in ("31.72", "31.71.01"):
        assert (await fair.shown("/v1/appeals", token=fair.officer(area)))["items"] == []
    assert (await fair.get("/v1/appeals", token=fair.vendor(who))).status_code == 403
    await fair.done(f"{door}/decide", decision())
    assert (await fair.shown("/v1/appeals"))["items"] == []
    assert [one["about"] for one in (await fair.application(queued))["appeals"]] == ["not-served"]


async def test_one_may_object_for_thirty_days_after_the_decision(fair: Fair) -> None:
    _, by_state = await round_of(fair, await fair.register(3))
    one, other = by_state["queued"]
    published = fair.clock.moment
    fair.clock.moment = published + timedelta(days=30)
    await file(fair, one, "not-served")
    fair.clock.moment = published + timedelta(days=31)
    wish = {"about": "not-served", "text": WORDS}
    assert await fair.refused(f"/v1/applications/{other}/appeals", wish) == (409, "appeal-too-late")
    # what is about the day itself counts from its end
    await file(fair, other, "other")


async def test_who_was_left_out_hears_of_it_and_may_object(fair: Fair) -> None:
    bazaar_id = await fair.announce()
    (vendor_id,) = await fair.register(1, trained=False)
    class_id = await fair.train(vendor_id)
    application_id = await fair.apply(bazaar_id, vendor_id)
    await fair.untrain(vendor_id, class_id)
    fair.clock.moment = CLOSING
    await fair.done(f"/v1/bazaars/{bazaar_id}/freeze")
    (dropped,) = await fair.published("ApplicationDropped")
    assert (str(dropped.key), dropped.sequence, dropped.body["because"]) == (application_id, 2, "training-missing")
    shown = await fair.application(application_id)
    assert "pelatihan Anda belum tercatat" in shown["explanation"]["id"]
    await file(fair, application_id, "ineligible")
    await fair.assert_sequences_have_no_gap()


async def test_figures_are_public_and_small_ones_are_not_told(fair: Fair) -> None:
    _, by_state = await round_of(fair, await fair.register(7))
    for number, one in enumerate(by_state["queued"]):
        appeal_id = await file(fair, one, "not-served")
        if number < 5:
            rejected = {**decision(), "upheld": False, "reason": "rule-was-followed"}
            await fair.done(f"/v1/appeals/{appeal_id}/decide", rejected)
    figures = (await fair.client.get("/v1/statistics/appeals")).json()["items"]
    told = {(one["about"], one["state"]): one["appeals"] for one in figures}
    assert told[("not-served", "rejected")] == 5
    assert {count for kind, count in told.items() if kind != ("not-served", "rejected")} == {None}
    assert len(told) == 15


async def test_words_are_sealed_resealed_and_go_with_the_person(fair: Fair) -> None:
    vendors = await fair.register(2)
    _, by_state = await round_of(fair, vendors)
    (queued,) = by_state["queued"]
    who = UUID((await fair.application(queued))["vendor_id"])
    (elder,) = await fair.register(1)
    await fair.hear(VendorMerged(vendor_id=who, into=elder, merge_id=new_id()))
    decided = await file(fair, queued, "not-served", token=fair.vendor(elder))
    await fair.done(f"/v1/appeals/{decided}/decide", decision())
    opened = await file(fair, queued, "other")
    async with fair.database.read() as conn:
        rows = await conn.fetch("SELECT text_sealed, answer_sealed FROM appeal")
    assert all(WORDS.encode() not in row["text_sealed"] for row in rows)

    keys = {"fresh": base64.b64encode(bytes(range(32, 64))).decode(), **SECRET_KEYS}
    for column, values in ((SEALED_TEXTS, 2), (SEALED_ANSWERS, 1)):
        assert await reseal(fair.database, Sealer(keys), column, lambda _: None) == values
    only = Sealer({"fresh": keys["fresh"]})
    async with fair.database.read() as conn:
        rows = await conn.fetch("SELECT appeal_id, text_sealed FROM appeal")
    assert {only.open(row["text_sealed"], row["appeal_id"].bytes).decode() for row in rows} == {WORDS}

    data = await fair.shown(f"/v1/vendors/{who}/data", token=fair.vendor(who))
    assert "appeals" in str(data)
    await fair.hear(VendorErased(vendor_id=who, erasure_id=new_id()))
    async with fair.database.read() as conn:
        left = await conn.fetch("SELECT appeal_id, state, text_sealed, answer_sealed, filed_by FROM appeal")
    assert {(str(row["appeal_id"]), row["state"]) for row in left} == {(decided, "upheld"), (opened, "dropped")}
    assert all(row["text_sealed"] is row["answer_sealed"] is None and row["filed_by"] == "" for row in left)
    assert (await fair.get(f"/v1/appeals/{opened}")).status_code == 404
    assert (await fair.get(f"/v1/vendors/{who}/applications", token=fair.vendor(who))).status_code == 404
    late = {"about": "other", "text": WORDS}
    path = f"/v1/applications/{queued}/appeals"
    assert await fair.refused(path, late, token=fair.vendor(who)) == (409, "unknown-vendor")
