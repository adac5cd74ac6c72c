"""The inbox over HTTP: everything that was told, in words, at once; for the person itself by any of its ids."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from services.notify.domain.routing import Rules
from shared.events.notify import NotificationRead
from tests.integration.notify import enrolled, people
from tests.integration.notify_wishes import DIGESTS, PAUSES, House, completed, merged, urgent, verified


async def inbox(house: House, vendor: UUID, **query: Any) -> dict[str, Any]:
    """What the person finds."""
    answer = await house.get(f"/v1/inbox/{vendor}", house.token("vendor", vendor), **query)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def test_messages_are_there_at_once_newest_first_whatever_other_way_they_go(house: House) -> None:
    (siti,) = people(1)
    await house.settle_in(siti)
    house.clock.moment = datetime(2023, 3, 1, 15, 0, tzinfo=UTC)  # at night
    await house.desk.hear(enrolled(siti))
    await house.desk.hear(completed(siti))
    await house.desk.hear(urgent(house, siti))
    await house.route(PAUSES)
    found = await inbox(house, siti)
    assert [one["template"] for one in found["items"]] == ["booth-assigned", "training-completed", "training-enrolled"]
    assert found["unread"] == 3
    assert found["items"][2]["text"]["subject"] == "Anda terdaftar di pelatihan Dasar Kewirausahaan"
    assert "Halo Siti Aminah," in found["items"][2]["text"]["body"]
    assert found["items"][0]["topic"] == "offers"
    first = await inbox(house, siti, limit=2)
    rest = await inbox(house, siti, limit=2, after=first["next"])
    assert first["items"] + rest["items"] == found["items"]
    assert rest["next"] is None
    await house.put(siti, {"language": "en"})
    in_english = (await inbox(house, siti))["items"][2]["text"]["body"]
    assert in_english.startswith("Hello Siti Aminah,")


async def test_reading_counts_once_and_is_told_once(house: House) -> None:
    (siti,) = people(1)
    await house.settle_in(siti, email=None)
    await house.desk.hear(enrolled(siti), completed(siti))
    await house.route(Rules(("email",)))
    found = await inbox(house, siti)
    path = f"/v1/inbox/{siti}/{found['items'][0]['notification_id']}/read"
    answers = await asyncio.gather(*(house.post(path, None, house.token("vendor", siti)) for _ in range(6)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["read_at"] for answer in answers}) == 1
    (event,) = await house.query("SELECT payload, sequence FROM outbox WHERE type = 'NotificationRead'")
    read = NotificationRead.model_validate_json(event["payload"])
    assert (read.channel, str(read.notification_id), event["sequence"]) == (
        "inbox",
        found["items"][0]["notification_id"],
        2,
    )
    assert json.loads(event["payload"])["vendor_id"] == str(siti)
    after = await inbox(house, siti)
    assert after["unread"] == 1
    assert after["items"][0]["read_at"] is not None
    assert [one["template"] for one in (await inbox(house, siti, unread="true"))["items"]] == ["training-enrolled"]
    states = {row["template"]: row["state"] for row in await house.desk.rows()}
    assert states == {"training-completed": "delivered", "training-enrolled": "sent"}


async def test_what_is_read_in_the_inbox_still_goes_its_way(house: House) -> None:
    (siti,) = people(1)
    await house.settle_in(siti)
    await house.desk.hear(urgent(house, siti))
    await house.route()
    (one,) = (await inbox(house, siti))["items"]
    await house.post(f"/v1/inbox/{siti}/{one['notification_id']}/read", None, house.token("vendor", siti))
    assert (await house.told())["booth-assigned"] == ("queued", "whatsapp", ["sms", "email"])


async def test_an_inbox_is_for_the_person_itself_by_any_of_its_ids(house: House) -> None:
    old, new, other = people(3)
    await house.settle_in(old, new, other)
    await house.desk.hear(merged(old, new), enrolled(old), completed(new))
    await house.route()
    for path_id, token_id in ((old, new), (new, old), (new, new)):
        answer = await house.get(f"/v1/inbox/{path_id}", house.token("vendor", token_id))
        assert len(answer.json()["items"]) == 2
    (mine, _) = (await inbox(house, new))["items"]
    for headers in (house.token("vendor", other), house.token("officer"), house.token("operator")):
        assert (await house.get(f"/v1/inbox/{new}", headers)).status_code == 403
        read = await house.post(f"/v1/inbox/{new}/{mine['notification_id']}/read", None, headers)
        assert read.status_code == 403
    assert (await house.client.get(f"/v1/inbox/{new}")).status_code == 401
    foreign = await house.post(f"/v1/inbox/{other}/{mine['notification_id']}/read", None, house.token("vendor", other))
    assert (foreign.status_code, foreign.json()["code"]) == (404, "notification-not-found")
    unknown = await house.post(f"/v1/inbox/{new}/{uuid4()}/read", None, house.token("vendor", new))
    assert unknown.status_code == 404
    assert (await house.get(f"/v1/inbox/{new}", house.token("vendor", new), limit=51)).status_code == 422


async def test_a_digest_is_not_in_it_but_what_it_tells_and_what_was_ended_is_not(house: House) -> None:
    (siti,) = people(1)
    await house.settle_in(siti)
    await house.desk.hear(completed(siti), verified(siti))
    await house.route(DIGESTS)
    house.clock.advance(hours=8)
    await house.route(DIGESTS)
    found = await inbox(house, siti)
    assert [one["template"] for one in found["items"]] == ["document-verified", "training-completed"]
    await house.put(siti, {"topics": {"training": dict.fromkeys(("sms", "whatsapp", "email"), False)}})
    await house.desk.hear(completed(siti, "Lanjutan"))
    await house.route(DIGESTS)
    found = await inbox(house, siti)
    assert [one["template"] for one in found["items"]] == ["document-verified"], "the digest had not left"
    async with house.desk.database.transaction() as conn:
        await conn.execute("UPDATE notification SET params = '{}'")
    found = await inbox(house, siti)
    assert [(one["template"], one["text"]) for one in found["items"]] == [("document-verified", None)]
