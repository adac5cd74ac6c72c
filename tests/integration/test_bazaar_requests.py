"""Requests of a kelurahan: who may ask, who decides, what becomes of them; what people wrote is sealed."""

import asyncio
import base64
from typing import Any
from uuid import UUID

import pytest

from services.bazaar.handlers.requests import read_texts
from services.bazaar.keys import COLUMNS
from shared.auth import LocalIssuer
from shared.crypto import Sealer
from shared.resealing import reseal
from tests.conftest import SECRET_KEYS, MakeDatabase, Serve, StandingClock
from tests.integration.bazaar import GAMBIR, KARANG_ANYAR, Fair, open_fair

WHY = "Bu Siti dan tetangga RW 03 belum pernah dapat lapak"
NOTE = "Sudah ada bazar pada hari itu, Pak Budi"
APPROVAL = {"organisers": ["Kelurahan Karang Anyar"], "applications_close_at": "2023-03-13T17:00:00+07:00"}


@pytest.fixture
async def fair(
    make_database: MakeDatabase, serve: Serve, issuer: LocalIssuer, clock: StandingClock, sealer: Sealer
) -> Fair:
    """The bazaar service, empty, on 1 March 2023."""
    return await open_fair(make_database, serve, issuer, clock, sealer)


def wish(**more: Any) -> dict[str, Any]:
    return {
        "kelurahan": KARANG_ANYAR,
        "days": ["2023-03-20", "2023-03-21"],
        "venue": "RPTRA Karang Anyar",
        "venue_type": "rptra",
        "booths": 12,
        "reasons": ["demand", "no-bazaar-nearby"],
        "why": WHY,
        **more,
    }


async def ask(fair: Fair, **more: Any) -> str:
    answer = await fair.done("/v1/requests", wish(**more), token=fair.officer(KARANG_ANYAR))
    request_id: str = answer["request_id"]
    return request_id


async def test_an_approved_request_is_a_draft_that_can_be_announced(fair: Fair) -> None:
    request_id = await ask(fair)
    answer = await fair.done(f"/v1/requests/{request_id}/approve", APPROVAL, token=fair.officer("31.71.02"))
    bazaar = await fair.shown(f"/v1/bazaars/{answer['bazaar_id']}", token=fair.officer("31.71.02"))
    assert (bazaar["name"], bazaar["state"], bazaar["days"]) == (
        "Bazar Kelurahan Karang Anyar",
        "draft",
        ["2023-03-20", "2023-03-21"],
    )
    (found,) = bazaar["sites"]
    assert (found["name"], found["kelurahan"], found["booths"]) == ("RPTRA Karang Anyar", KARANG_ANYAR, 12)
    shown = await fair.shown(f"/v1/requests/{request_id}")
    assert (shown["state"], shown["bazaar_id"], shown["why"], shown["note"]) == (
        "approved",
        answer["bazaar_id"],
        WHY,
        None,
    )
    asked, decided = await fair.published("BazaarRequested", "BazaarRequestDecided")
    assert (asked.sequence, decided.sequence) == (1, 2)
    assert (decided.body["approved"], decided.body["bazaar_id"]) == (True, answer["bazaar_id"])
    await fair.done(f"/v1/bazaars/{answer['bazaar_id']}/announce")


async def test_what_the_kelurahan_left_open_is_asked_of_who_approves(fair: Fair) -> None:
    request_id = await ask(fair, venue_type=None)
    door, token = f"/v1/requests/{request_id}/approve", fair.officer("31.71.02")
    answer = await fair.post(door, APPROVAL, token=token)
    assert (answer.status_code, answer.json()["code"]) == (422, "request-unfit")
    assert "give venue_type" in answer.json()["detail"]
    await fair.done(door, {**APPROVAL, "venue_type": "rptra"}, token=token)


async def test_a_refusal_has_a_coded_reason_and_a_note_to_those_who_asked(fair: Fair) -> None:
    request_id = await ask(fair)
    body = {"because": "days-taken", "note": NOTE}
    await fair.done(f"/v1/requests/{request_id}/refuse", body, token=fair.officer("31"))
    shown = await fair.shown(f"/v1/requests/{request_id}", token=fair.officer(KARANG_ANYAR))
    assert (shown["state"], shown["refused_because"], shown["note"]) == ("refused", "days-taken", NOTE)
    assert (await fair.published("BazaarRequestDecided"))[0].body["approved"] is False
    assert await fair.refused(f"/v1/requests/{request_id}/approve", APPROVAL) == (409, "request-decided")


async def test_what_people_wrote_is_kept_sealed_and_in_no_event(fair: Fair) -> None:
    request_id = await ask(fair)
    await fair.done(f"/v1/requests/{request_id}/refuse", {"because": "other", "note": NOTE})
    async with fair.database.read() as conn:
        row = await conn.fetchval("SELECT bazaar_request::text FROM bazaar_request")
        kept = await conn.fetch("SELECT payload FROM outbox")
        answers = await conn.fetch("SELECT body FROM idempotency_key")
    stored = b" ".join([row.encode(), *(one["payload"] for one in kept), *(one["body"] for one in answers)])
    for word in (b"Siti", b"Budi"):
        assert word not in stored


async def test_what_people_wrote_is_sealed_anew_when_keys_change(fair: Fair) -> None:
    request_id = UUID(await ask(fair))
    await fair.done(f"/v1/requests/{request_id}/refuse", {"because": "other", "note": NOTE})
    fresh = {"newer": base64.b64encode(bytes(range(32))).decode()}
    both = Sealer({**fresh, **SECRET_KEYS})
    for column in COLUMNS:
        await reseal(fair.database, both, column, lambda _: None)
    async with fair.database.read() as conn:
        texts = await read_texts(conn, request_id, Sealer(fresh))
    assert texts == {"why": WHY, "note": NOTE}


async def test_a_kelurahan_asks_for_itself_and_somebody_wider_decides(fair: Fair) -> None:
    own = fair.officer(KARANG_ANYAR)
    assert await fair.refused("/v1/requests", wish(kelurahan=GAMBIR), token=own) == (403, "outside-area")
    assert await fair.refused("/v1/requests", wish(), token=fair.officer("31.71")) == (403, "not-own-kelurahan")
    assert await fair.refused("/v1/requests", wish(), token=fair.issuer.token("v", ["vendor"])) == (403, "role-missing")
    request_id = await ask(fair)
    door = f"/v1/requests/{request_id}"
    colleague = fair.issuer.token("colleague", ["officer"], area=KARANG_ANYAR)
    promoted = fair.issuer.token(f"officer-{KARANG_ANYAR}", ["officer"], area="31.71")
    for token, refusal in (
        (own, (403, "decided-by-wider")),
        (colleague, (403, "decided-by-wider")),
        (promoted, (403, "decided-by-wider")),
        (fair.officer("31.72"), (404, "request-unknown")),
        (fair.officer("31.71.01"), (404, "request-unknown")),
        (fair.issuer.token("v", ["vendor"]), (403, "role-missing")),
    ):
        assert await fair.refused(f"{door}/approve", APPROVAL, token=token) == refusal
        assert await fair.refused(f"{door}/refuse", {"because": "other"}, token=token) == refusal
    assert (await fair.get(door, token=fair.officer("31.71.01"))).status_code == 404
    assert (await fair.get(door, token=fair.issuer.token("v", ["vendor"]))).status_code == 403


async def test_officers_see_the_requests_of_their_area(fair: Fair) -> None:
    first, second = await ask(fair), await ask(fair, days=["2023-04-01"])
    elsewhere = await fair.done("/v1/requests", wish(kelurahan=GAMBIR), token=fair.officer(GAMBIR))
    await fair.done(f"/v1/requests/{first}/refuse", {"because": "too-soon"})

    async def listed(area: str, query: str = "") -> list[str]:
        shown = await fair.shown(f"/v1/requests{query}", token=fair.officer(area))
        return [one["request_id"] for one in shown["items"]]

    assert await listed("31.71") == [elsewhere["request_id"], second, first]
    assert await listed("31.71", "?state=waiting") == [elsewhere["request_id"], second]
    assert await listed(KARANG_ANYAR) == [second, first]
    assert await listed("31.72") == []
    page = await fair.shown("/v1/requests?limit=1", token=fair.officer(KARANG_ANYAR))
    rest = await fair.shown(f"/v1/requests?limit=1&after={page['next']}", token=fair.officer(KARANG_ANYAR))
    assert [one["request_id"] for one in page["items"] + rest["items"]] == [second, first]


async def test_what_cannot_be_asked_or_approved_is_refused(fair: Fair) -> None:
    own = fair.officer(KARANG_ANYAR)
    for days in (["2023-03-01"], ["2022-12-31"], ["2024-03-02"]):
        assert await fair.refused("/v1/requests", wish(days=days), token=own) == (422, "request-unfit")
    no_venue = {key: value for key, value in wish().items() if not key.startswith("venue")}
    assert (await fair.post("/v1/requests", no_venue, token=own)).status_code == 422
    request_id = await ask(fair, venue_type=None)
    response = await fair.post(f"/v1/requests/{request_id}/approve", APPROVAL)
    assert (response.status_code, response.json()["code"]) == (422, "request-unfit")
    assert "venue_type" in response.text
    late = {**APPROVAL, "venue_type": "rptra", "applications_close_at": "2023-03-20T17:00:00+07:00"}
    assert await fair.refused(f"/v1/requests/{request_id}/approve", late) == (422, "request-unfit")
    await fair.done(f"/v1/requests/{request_id}/approve", {**APPROVAL, "venue_type": "rptra", "days": ["2023-03-22"]})


async def test_of_two_who_decide_at_once_one_does(fair: Fair) -> None:
    request_id = await ask(fair)
    await fair.crowd()
    doors: list[tuple[str, dict[str, Any]]] = [("approve", APPROVAL), ("refuse", {"because": "other"})] * 4
    answers = await asyncio.gather(*(fair.post(f"/v1/requests/{request_id}/{door}", body) for door, body in doors))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 7
    assert len(await fair.published("BazaarRequestDecided")) == 1
    async with fair.database.read() as conn:
        drafts = await conn.fetchval("SELECT count(*) FROM bazaar")
    shown = await fair.shown(f"/v1/requests/{request_id}")
    assert drafts == (1 if shown["state"] == "approved" else 0)
