"""Consents over HTTP, on a real database."""

from typing import Any
from uuid import UUID, uuid4

from tests.integration.vendor import Registry, at_once, ok


def say(purpose: str, *, given: bool, **more: Any) -> dict[str, Any]:
    return {"purpose": purpose, "given": given, **more}


async def allowed(registry: Registry, vendor_id: UUID) -> dict[str, bool]:
    answer = ok(await registry.get(f"/v1/vendors/{vendor_id}/consents", token=registry.vendor(vendor_id)))
    return {one["purpose"]: one["given"] for one in answer["purposes"]}


async def test_nothing_is_allowed_without_a_word_and_every_purpose_has_its_text(registry: Registry) -> None:
    vendor_id = await registry.register(1)
    answer = ok(await registry.get(f"/v1/vendors/{vendor_id}/consents"))
    assert {one["purpose"]: one["given"] for one in answer["purposes"]} == dict.fromkeys(
        ("messages", "capital-referral", "partners", "publicity"), False
    )
    assert all(one["text"]["id"] and one["text"]["en"] and one["text"]["version"] == 1 for one in answer["purposes"])
    assert answer["history"] == []


async def test_consent_is_given_and_withdrawn_and_told_once_each(registry: Registry) -> None:
    vendor_id = await registry.register(1)
    path, own = f"/v1/vendors/{vendor_id}/consents", registry.vendor(vendor_id)
    give, withdraw = say("partners", given=True, text_version=1), say("partners", given=False)
    for body in (give, give, withdraw, withdraw, give):
        registry.clock.advance(minutes=1)  # type: ignore[attr-defined]  # a StandingClock
        assert ok(await registry.post(path, body, token=own))["given"] == body["given"]
    assert await allowed(registry, vendor_id) == {
        "messages": False, "capital-referral": False, "partners": True, "publicity": False,
    }  # fmt: skip
    events = await registry.published("ConsentGiven", "ConsentWithdrawn")
    assert [(event.type, event.sequence) for event in events] == [
        ("ConsentGiven", 2),
        ("ConsentWithdrawn", 3),
        ("ConsentGiven", 4),
    ]
    assert events[0].body == {"vendor_id": str(vendor_id), "purpose": "partners"}
    history = ok(await registry.get(path))["history"]
    assert [(word["given"], word["source"], word["text_version"]) for word in history] == [
        (True, "self", 1),
        (False, "self", 1),
        (True, "self", 1),
    ]


async def test_an_officer_notes_a_consent_with_its_evidence(registry: Registry) -> None:
    vendor_id = await registry.register(1)
    path, give = f"/v1/vendors/{vendor_id}/consents", say("publicity", given=True, text_version=1)
    assert ok(await registry.post(path, give), 422)["code"] == "evidence-missing"
    assert ok(await registry.post(path, {**give, "evidence": "Formulir 12, map A"}))["given"]
    (word,) = ok(await registry.get(path))["history"]
    assert (word["source"], word["evidence"]) == ("officer", "Formulir 12, map A")


async def test_consent_to_a_text_nobody_asks_is_refused(registry: Registry) -> None:
    vendor_id = await registry.register(1)
    path, own = f"/v1/vendors/{vendor_id}/consents", registry.vendor(vendor_id)
    refused = ok(await registry.post(path, say("messages", given=True, text_version=2), token=own), 422)
    assert (refused["code"], refused["details"]["current_version"]) == ("consent-text-unknown", 1)
    for version in (0, 2**31, "x"):
        body = say("messages", given=True, text_version=version)
        assert (await registry.post(path, body, token=own)).status_code == 422
    assert (await registry.post(path, say("anything", given=True), token=own)).status_code == 422
    evidence = say("messages", given=True, evidence="a\x00b")
    assert (await registry.post(path, evidence, token=own)).status_code == 422


async def test_a_newer_text_is_asked_anew(registry: Registry) -> None:
    vendor_id = await registry.register(1)
    path, own = f"/v1/vendors/{vendor_id}/consents", registry.vendor(vendor_id)
    await registry.post(path, say("messages", given=True, text_version=1), token=own)
    async with registry.database.transaction() as conn:
        await conn.execute("INSERT INTO consent_text VALUES ('messages', 2, 'Teks baru', 'New text')")
    old = ok(await registry.post(path, say("messages", given=True, text_version=1), token=own), 422)
    assert old["details"]["current_version"] == 2
    assert ok(await registry.post(path, say("messages", given=True, text_version=2), token=own))["text_version"] == 2
    assert len(await registry.published("ConsentGiven")) == 2


async def test_the_same_word_said_at_once_is_kept_once(registry: Registry) -> None:
    await registry.crowd()
    vendor_id = await registry.register(1)
    path, own = f"/v1/vendors/{vendor_id}/consents", registry.vendor(vendor_id)
    body = say("messages", given=True, text_version=1)
    answers = await at_once(*(registry.post(path, body, token=own) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert await registry.value("SELECT count(*) FROM consent") == 1
    assert [event.sequence for event in await registry.published("ConsentGiven")] == [2]


async def test_consents_are_for_the_vendor_and_officers_of_its_area(registry: Registry) -> None:
    vendor_id = await registry.register(1)
    path, body = f"/v1/vendors/{vendor_id}/consents", say("messages", given=False)
    for token, status in (
        (registry.vendor(uuid4()), 403),
        (registry.officer("31.72"), 404),
        (registry.of("service"), 403),
        (registry.of("operator"), 403),
    ):
        assert (await registry.get(path, token=token)).status_code == status
        assert (await registry.post(path, {**body, "evidence": "x"}, token=token)).status_code == status
