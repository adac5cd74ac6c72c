"""What the emulators of WhatsApp, Twilio and Vonage share: faults they are told to have, what is kept, the pages."""

from __future__ import annotations

import asyncio
import base64
import time
from collections import Counter
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.local.providers.server import serving
from tests.unit.local_providers import NUMBER, SITI, TEMPLATE, TWILIO, VONAGE, Desk, Hook, hearing, template

# --- faults


async def send(desk: Desk, provider: str, number: int) -> httpx.Response:
    if provider == "whatsapp":
        return await desk.whatsapp(f"62812{number:07}")
    if provider == "twilio":
        return await desk.twilio(To=f"+62812{number:07}")
    form = {"api_key": "abcd1234", "api_secret": "vo-secret", "from": "622150003000", "text": "Halo."}
    return await desk.client.post("/vonage/sms/json", data=form | {"to": f"62812{number:07}"})


@pytest.mark.parametrize("provider", ["whatsapp", "twilio", "vonage"])
async def test_a_provider_misbehaves_as_told(desk: Desk, provider: str) -> None:
    async def stored() -> int:
        return (await desk.count())["messages"]

    await desk.faults(down=True)
    assert (await send(desk, provider, 1)).status_code == 503
    await desk.faults(broken_before=1.0)
    assert (await send(desk, provider, 2)).status_code == 500
    await desk.faults(cut_before=1.0)
    with pytest.raises(httpx.RemoteProtocolError):
        await send(desk, provider, 3)
    assert await stored() == 0
    await desk.faults(cut_after=1.0)
    with pytest.raises(httpx.RemoteProtocolError):
        await send(desk, provider, 4)
    assert await stored() == 1
    await desk.faults(time_out=1.0)
    with pytest.raises(httpx.ReadTimeout):
        await asyncio.wait_for(_within(desk, 0.1, send(desk, provider, 5)), 5)
    assert await stored() == 2
    await desk.faults(delay_ms=60)
    began = time.monotonic()
    assert (await send(desk, provider, 6)).is_success
    assert time.monotonic() - began >= 0.06
    code = {"whatsapp": 131026, "twilio": 30003, "vonage": 7}[provider]
    await desk.faults(failures={code: 1.0}, delivered_ms=0)
    await send(desk, provider, 7)
    row = await desk.last()
    assert (row["status"], row["code"]) == ("failed", code)


async def _within(desk: Desk, seconds: float, sending: Awaitable[httpx.Response]) -> httpx.Response:
    desk.client.timeout = httpx.Timeout(seconds)
    try:
        return await sending
    finally:
        desk.client.timeout = httpx.Timeout(5)


async def test_errors_are_drawn_by_their_share_and_the_same_for_a_seed(desk: Desk) -> None:
    await desk.admin("accounts", NUMBER | {"tier": None, "per_second": 10_000})
    seen: list[list[int]] = []
    for _ in range(2):
        await desk.faults(seed=7, errors={131016: 0.3})
        seen.append([(await desk.whatsapp(f"62812{n:07}")).status_code for n in range(100)])
    assert seen[0] == seen[1]
    assert 15 <= seen[0].count(503) <= 45


async def test_reports_are_lost_doubled_shuffled_and_lied_about(desk: Desk, hook: Hook) -> None:
    await desk.admin("accounts", NUMBER | {"webhook": hook.url, "tier": None, "per_second": 10_000})

    async def told(**faults: Any) -> list[list[str]]:
        hook.heard.clear()
        await desk.faults(read=0.0, sent_ms=0, delivered_ms=40, **faults)
        ids = [(await desk.whatsapp(f"62812{n:07}")).json()["messages"][0]["id"] for n in range(10)]
        await desk.all_told()
        return [[s["status"] for s in hook.statuses() if s["id"] == one] for one in ids]

    assert await told() == [["sent", "delivered"]] * 10
    assert await told(lost=1.0) == [[]] * 10
    assert [Counter(one) for one in await told(doubled=1.0)] == [Counter(sent=2, delivered=2)] * 10
    assert await told(shuffled=1.0) == [["delivered", "sent"]] * 10
    assert await told(failed_after_delivered=1.0) == [["sent", "delivered", "failed"]] * 10
    assert await told(delivered_unsent=1.0) == [["sent", "delivered"]] * 10
    sent = {row["message_id"] for row in (await desk.client.get("/admin/messages")).json()["messages"]}
    assert len({s["id"] for s in hook.statuses()} - sent) == 10


async def test_unknown_numbers_are_always_the_same(desk: Desk) -> None:
    await desk.admin("accounts", NUMBER | {"tier": None, "per_second": 10_000})
    await desk.faults(unknown_numbers=0.5, delivered_ms=0)
    for _ in range(2):
        for number in range(20):
            await desk.whatsapp(f"62812{number:07}")
    rows = (await desk.client.get("/admin/messages")).json()["messages"]
    fates = {row["person"]: row["status"] == "failed" for row in rows}
    assert all((row["status"] == "failed") == fates[row["person"]] for row in rows)
    assert 3 <= sum(fates.values()) <= 17


# --- what is kept, and the pages


async def test_what_was_taken_is_there_after_a_crash(tmp_path: Path, hook: Hook) -> None:
    async with serving(tmp_path) as (url, emulator), httpx.AsyncClient(base_url=url) as client:
        desk = Desk(url, emulator, client)
        await desk.admin("accounts", NUMBER | {"webhook": hook.url, "tier": 3})
        await desk.admin("templates", {"number_id": "1090000001", "templates": [TEMPLATE]})
        await desk.faults(sent_ms=300, delivered_ms=300)
        for number in range(3):
            await desk.whatsapp(f"62812000000{number}")
    async with serving(tmp_path) as (url, emulator), httpx.AsyncClient(base_url=url) as client:
        desk = Desk(url, emulator, client)
        assert (await desk.whatsapp("628120000009")).json()["error"]["code"] == 131048
        assert (await desk.whatsapp("628120000001")).status_code == 200
        await hook.until(lambda: len({s["id"] for s in hook.statuses() if s["status"] == "delivered"}) == 4)


async def test_what_webhooks_took_is_kept_where_asked_also_over_a_crash(tmp_path: Path, hook: Hook) -> None:
    async with serving(tmp_path) as (url, emulator), httpx.AsyncClient(base_url=url) as client:
        desk = Desk(url, emulator, client)
        await desk.admin("accounts", NUMBER | {"webhook": hook.url})
        await desk.admin("accounts", {**TWILIO, "webhook": hook.url})
        await desk.admin("accounts", {**VONAGE, "receipts": hook.url})
        await desk.admin("templates", {"number_id": "1090000001", "templates": [TEMPLATE]})
        await desk.whatsapp(biz_opaque_callback_data="not kept yet")
        await desk.all_told()
        await desk.client.post("/admin/told")
    async with serving(tmp_path) as (url, emulator), httpx.AsyncClient(base_url=url) as client:
        desk = Desk(url, emulator, client)
        await desk.faults(read=0.0)
        hook.answers = [503]
        await desk.whatsapp(biz_opaque_callback_data="a")
        await desk.vonage(**{"client-ref": "b"})
        await desk.all_told()
        hook.answers = [403, 403]
        await desk.twilio(StatusCallback=f"{hook.url}/c")  # not called again after a 4xx
        await desk.all_told()
        (await desk.twilio(StatusCallback=f"{hook.url}/d")).raise_for_status()
        await desk.all_told()
        told = (await desk.client.get("/admin/told")).json()["told"]
        assert {(one["reference"], one["status"]) for one in told} == {
            (reference, status) for reference in "abd" for status in ("sent", "delivered")
        }
        assert [one["id"] for one in (await desk.client.get(f"/admin/told?after={told[0]['id']}")).json()["told"]] == [
            one["id"] for one in told[1:]
        ]


async def test_duplicates_are_counted(desk: Desk) -> None:
    for reference in ("a", "a", "b"):
        await desk.whatsapp(biz_opaque_callback_data=reference)
    await desk.twilio()
    counts = await desk.count()
    assert (counts["messages"], counts["recipients"], counts["references"]) == (4, 1, 2)
    assert (counts["duplicate_references"], counts["duplicate_texts"]) == (1, 2)
    assert (await desk.client.delete("/admin/messages")).json() == {"deleted": 4}
    assert (await desk.count())["messages"] == 0


async def test_the_phones_show_what_came_and_let_a_person_answer(desk: Desk, hook: Hook) -> None:
    await desk.faults(receipts=False)
    await desk.admin("accounts", NUMBER | {"webhook": hook.url})
    await desk.whatsapp(template=template("<b>Siti</b>", "Senen", buttons=True))
    listed = (await desk.client.get("/")).text
    assert f"+{SITI}" in listed
    page = await desk.client.get(f"/phones/{SITI}")
    assert "&lt;b&gt;Siti&lt;/b&gt;" in page.text
    assert "<b>Siti" not in page.text
    assert "offer:7:yes" in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    press = {"way": "whatsapp:1090000001", "text": "YA", "payload": "offer:7:yes", "context": "wamid.x"}
    outside = await desk.client.post(f"/phones/{SITI}", data=press, headers={"Sec-Fetch-Site": "cross-site"})
    assert outside.status_code == 403
    answer = await desk.client.post(f"/phones/{SITI}", data=press, headers={"Sec-Fetch-Site": "same-origin"})
    assert answer.status_code == 303
    await hook.until(hook.values)
    assert hook.values()[0]["messages"][0]["button"]["payload"] == "offer:7:yes"
    assert (await desk.client.get("/", headers={"Host": "evil.example"})).status_code == 400
    empty = await desk.client.post(f"/phones/{SITI}", data={"way": "whatsapp:1090000001", "text": ""})
    nowhere = await desk.client.post("/phones/0", data={"way": "whatsapp:1090000001", "text": "hai"})
    assert (empty.status_code, nowhere.status_code) == (422, 422)
    typed = await desk.client.get("/phones", params={"number": "0812-3456-7890"})
    assert typed.headers["location"] == "/phones/6281234567890#newest"


async def test_what_a_person_writes_is_shown_as_text_with_its_addresses_as_links(desk: Desk, hook: Hook) -> None:
    await desk.admin("accounts", NUMBER | {"webhook": hook.url})
    said = "*Halo* <i>https://a.test/x</i> https://a.test/?q=*1*"
    await desk.admin("inbound", {"provider": "whatsapp", "person": SITI, "text": said})
    page = (await desk.client.get(f"/phones/{SITI}")).text
    assert "<strong>Halo</strong> &lt;i&gt;" in page
    assert "<i>" not in page
    assert '<a href="https://a.test/?q=*1*" rel="noopener noreferrer" target="_blank">https://a.test/?q=*1*</a>' in page


async def test_a_clock_of_development_dates_what_is_told(tmp_path: Path, hook: Hook) -> None:
    from shared.clock import Clock

    file = tmp_path / "clock"
    file.write_text("2023-03-20T09:00:00+07:00")
    async with serving(tmp_path, clock=Clock(file)) as (url, emulator), httpx.AsyncClient(base_url=url) as client:
        desk = Desk(url, emulator, client)
        await desk.admin("accounts", NUMBER | {"webhook": hook.url})
        await desk.admin("templates", {"number_id": "1090000001", "templates": [TEMPLATE]})
        await desk.whatsapp()
        await hook.until(hook.statuses)
    assert abs(int(hook.statuses()[0]["timestamp"]) - 1679277600) < 60


async def test_the_stack_tells_notify_and_the_emulators_the_same(tmp_path: Path) -> None:
    from deploy.local import messengers
    from deploy.local.stack import Running
    from services.notify.channels import Letter
    from services.notify.channels.assembly import providers
    from services.notify.domain.contents import Content, Sms, WhatsAppTemplate
    from services.notify.domain.delivery import Accepted
    from services.notify.settings import NotifySettings
    from shared.crypto import Sealer
    from shared.ids import new_id

    key = base64.b64encode(bytes(32)).decode()
    async with serving(tmp_path / "emulators") as (url, emulator), hearing() as hook:
        running = Running("x", "", "given", "", "", "", ("127.0.0.1", 25), "", url, tmp_path)
        assert messengers.environment(running) == {}
        await asyncio.to_thread(messengers.open_accounts, running, hook.url.removesuffix("/hook"))
        told = {
            name.removeprefix("LAPAK_").lower(): value
            for name, value in messengers.environment(running).items()
            if name != "LAPAK_TEMPLATE_SUBMISSIONS_PER_HOUR"
        }
        settings = NotifySettings.model_validate(
            {
                "database": "postgresql://u:p@127.0.0.1:5432/notify",
                "kafka": "127.0.0.1:9092",
                "http_port": 0,
                "jwks": "https://id.test/keys",
                "token_issuer": "test",
                "secret_keys": {"k": key},
                "smtp": "127.0.0.1:25",
                "public_url": hook.url.removesuffix("/hook"),
            }
            | told
        )
        number = emulator.numbers["1090000001"]
        emulator.submit(number, TEMPLATE, at_once=True)
        form = WhatsAppTemplate("lapak_booth_offered", "id", ("Siti", "Senen"), ("offer:7:yes", "offer:7:no"))
        used = {one.name: one for one in providers(settings, Sealer({"k": key}))}
        now = datetime.now(UTC)
        for name in ("wa-main", "sms-a", "sms-b"):
            content: Content = form if name == "wa-main" else Sms("Lapak nomor 7.")
            letter = Letter(
                new_id(), new_id(), "booth-assigned", "Siti", f"+{SITI}", content, now, now + timedelta(hours=1)
            )
            line = used[name].line()
            await line.open()
            assert isinstance(outcome := await line.send(letter, seconds=5), Accepted), (name, outcome)
            await line.close()
        paths = {"wa-main": 3, "sms-a": 2, "sms-b": 2}
        await hook.until(lambda: all(sum(f"/{n}/" in path for path, _, _ in hook.heard) >= 1 for n in paths))
        for path, headers, body in hook.heard:
            name = path.split("/")[3]
            reports = used[name].read_webhook(path.partition("/webhook")[2].lstrip("/"), headers, body)
            assert reports, (path, body)
