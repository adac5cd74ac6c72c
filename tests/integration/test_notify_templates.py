"""Templates as data: saved and chosen by operators, pinned on each message, approved by WhatsApp before their use."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pydantic import SecretStr

from deploy.local.providers.emulator import Emulator
from deploy.local.providers.server import serving
from services.notify.channels.whatsapp_templates import WhatsAppTemplates
from services.notify.domain.reports import TemplateVerdict
from services.notify.domain.templates import ActivateVersion, TemplateNotFound, TemplateNotSendable
from services.notify.handlers import templates as handlers
from services.notify.rendering import Template, release_templates, version_of, whatsapp_form_of
from services.notify.settings import NotifySettings, WhatsAppSettings
from services.notify.store import templates as store
from services.notify.submissions import keep_templates, submit_some
from shared.auth import LocalIssuer
from shared.service import Platform
from tests.integration.notify import Desk, Front, Mailbox, card, enrolled, mail_server, people

NAME = "training-enrolled"
FORMS = {
    "id": {
        "email": "Kelas {{ title }}: Anda terdaftar\n\nHalo {{ name }}, sampai jumpa di kelas {{ title }}.\n",
        "sms": "Lapak: Halo, Anda terdaftar di kelas {{ title | brief }}.",
        "whatsapp": "category: utility\nbuttons: JADWAL\n\nHalo {{ name }}, Anda terdaftar di kelas {{ title }}. "
        "Sampai jumpa!",
    },
    "en": {
        "email": "Class {{ title }}: you are enrolled\n\nHello {{ name }}, see you in the class {{ title }}.\n",
        "sms": "Lapak: Hello, you are enrolled in the class {{ title | brief }}.",
        "whatsapp": "category: utility\nbuttons: SCHEDULE\n\nHello {{ name }}, you are enrolled in the class "
        "{{ title }}. See you!",
    },
}
BROADCAST = {
    language: {
        "email": "{{ judul }}\n\nHalo {{ name }}, {{ judul }} pada {{ hari | day }}.\n",
        "whatsapp": "category: marketing\n\nHalo {{ name }}, "
        "kabar dari Lapak: {{ judul }} pada {{ hari | day }}. Salam!",
    }
    for language in ("id", "en")
}
KINDS = {"judul": "text", "hari": "date"}


def with_form(language: str, form: str, text: str | None) -> dict[str, Any]:
    """The forms with one of them changed, or without it."""
    changed = {key: dict(forms) for key, forms in FORMS.items()}
    if text is None:
        del changed[language][form]
    else:
        changed[language][form] = text
    return changed


class Office:
    """A desk with its HTTP door."""

    def __init__(self, desk: Desk, client: httpx.AsyncClient, issuer: LocalIssuer) -> None:
        self.desk = desk
        self.client = client
        self.issuer = issuer

    def headers(self, role: str = "operator") -> dict[str, str]:
        """Of a request by this role."""
        token = self.issuer.token(f"{role}-1", [role], area="31" if role == "officer" else None)
        return {"Authorization": f"Bearer {token}", "Idempotency-Key": str(uuid4())}

    async def get(self, path: str, role: str = "operator", **query: Any) -> httpx.Response:
        return await self.client.get(f"/v1/{path}", params=query, headers=self.headers(role))

    async def post(self, path: str, body: dict[str, Any], role: str = "operator") -> httpx.Response:
        return await self.client.post(f"/v1/{path}", json=body, headers=self.headers(role))

    async def save(self, forms: Any = FORMS, name: str = NAME, role: str = "operator", **more: Any) -> httpx.Response:
        return await self.post(f"templates/{name}/versions", {"forms": forms, "reason": "plainer", **more}, role)

    async def activate(self, version: str, name: str = NAME, role: str = "operator") -> httpx.Response:
        return await self.post(f"templates/{name}/versions/{version}/activate", {"reason": "agreed"}, role)

    async def planned_with(self) -> str:
        """The version that a message planned now is pinned to."""
        (vendor,) = people(1)
        await self.desk.hear(card(vendor), enrolled(vendor))
        (row,) = [row for row in await self.desk.rows() if row["vendor_id"] == vendor]
        version: str = row["template_version"]
        return version


@pytest.fixture
def office(front: Front, issuer: LocalIssuer) -> Office:
    """Notify with its HTTP door."""
    return Office(front.desk, front.client, issuer)


# ---- versions


async def test_a_version_is_used_from_its_activation_on_and_not_before(office: Office) -> None:
    release = release_templates()[NAME].version
    saved = await office.save()
    assert saved.status_code == 201, saved.text
    version = saved.json()["version"]
    assert (saved.json()["number"], saved.json()["new"]) == (2, True)
    assert await office.planned_with() == release
    assert (await office.activate(version)).json() == {"template": NAME, "version": version, "number": 2}
    assert await office.planned_with() == version
    back = await office.activate(release)
    assert back.json() == {"template": NAME, "version": release, "number": 1}
    assert await office.planned_with() == release
    shown = (await office.get(f"templates/{NAME}")).json()
    assert [one["version"] for one in shown["activations"]] == [release, version]
    assert shown["activations"][0]["activated_by"] == "operator-1"
    assert (shown["source"], shown["version"], shown["number"]) == ("release", release, 1)
    assert [(one["version"], one["saved_by"]) for one in shown["versions"]] == [
        (version, "operator-1"),
        (release, None),
    ]


async def test_what_was_planned_keeps_its_version_and_says_what_it_said(office: Office) -> None:
    version = (await office.save()).json()["version"]
    await office.activate(version)
    assert await office.planned_with() == version
    await office.activate(release_templates()[NAME].version)
    async with mail_server(Mailbox()) as mailbox, office.desk.delivering(mailbox):
        await office.desk.settled()
    row = await office.desk.row()
    assert row["state"] == "sent"
    shown = (await office.get(f"notifications/{row['id']}")).json()
    assert shown["text"]["subject"] == "Kelas Dasar Kewirausahaan: Anda terdaftar"
    assert "Tim Lapak" in shown["text"]["body"]


async def test_the_same_texts_are_no_second_version(office: Office) -> None:
    first, second = await asyncio.gather(office.save(), office.save())
    assert {first.status_code, second.status_code} == {201}
    assert first.json()["version"] == second.json()["version"]
    assert sorted([first.json()["new"], second.json()["new"]]) == [False, True]
    assert (await office.save()).json()["new"] is False
    other = (await office.save(with_form("id", "sms", "Lapak: Halo, kelas {{ title | brief }}."))).json()
    assert (other["new"], other["number"]) == (True, 3)


async def test_of_activations_at_once_the_last_one_stands_and_each_is_noted(office: Office) -> None:
    versions = [
        (await office.save(with_form("id", "sms", f"Lapak: Halo, kelas {number}."))).json()["version"]
        for number in range(6)
    ]
    await asyncio.gather(*[office.activate(version) for version in versions])
    shown = (await office.get(f"templates/{NAME}")).json()
    assert {one["version"] for one in shown["activations"]} == set(versions)
    assert await office.planned_with() == shown["version"]
    assert shown["version"] in versions


async def test_a_message_planned_while_a_version_is_activated_has_one_of_both(office: Office) -> None:
    version = (await office.save()).json()["version"]
    vendors = people(20)
    await asyncio.gather(
        *[office.desk.hear(card(vendor), enrolled(vendor)) for vendor in vendors[:10]],
        office.activate(version),
        *[office.desk.hear(card(vendor), enrolled(vendor)) for vendor in vendors[10:]],
    )
    used = {row["template_version"] for row in await office.desk.rows()}
    assert used <= {version, release_templates()[NAME].version}
    assert await office.planned_with() == version


async def test_a_version_stays_in_use_when_the_next_release_brings_another(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = desk.clock.now()
    release = release_templates()
    async with desk.database.transaction() as conn:
        before = (await handlers.choose_versions(conn, [NAME], now=now))[NAME]
    newer = dict(release[NAME].sources) | {"id": "Baru\n\nHalo {{ name }}.\n"}
    template = Template(NAME, version_of(newer), newer)
    monkeypatch.setattr(handlers, "release_templates", lambda: {**release, NAME: template})
    async with desk.database.transaction() as conn:
        assert (await handlers.choose_versions(conn, [NAME], now=now))[NAME] == template.version
        await handlers.activate_version(conn, NAME, before, ActivateVersion(reason="back"), by="o", now=now)
        assert (await handlers.choose_versions(conn, [NAME], now=now))[NAME] == before
        await handlers.activate_version(conn, NAME, template.version, ActivateVersion(reason="on"), by="o", now=now)
    monkeypatch.undo()
    async with desk.database.transaction() as conn:
        # the release's own version is followed: an older replica plans with its own
        assert (await handlers.choose_versions(conn, [NAME], now=now))[NAME] == before


async def test_who_may_do_what(office: Office) -> None:
    version = (await office.save()).json()["version"]
    assert (await office.save(role="officer")).status_code == 403
    assert (await office.activate(version, role="officer")).status_code == 403
    assert (await office.get("whatsapp-templates", "officer")).status_code == 403
    assert (await office.post("whatsapp-templates/submit", {}, "officer")).status_code == 403
    for role, status in (("officer", 200), ("service", 200), ("vendor", 403)):
        assert (await office.get("templates", role)).status_code == status
        assert (await office.get(f"templates/{NAME}", role)).status_code == status
    assert (await office.post(f"templates/{NAME}/preview", {}, "officer")).status_code == 200
    assert (await office.post(f"templates/{NAME}/preview", {}, "vendor")).status_code == 403


async def test_what_is_wrong_is_named_with_form_line_and_way_out(office: Office) -> None:
    answer = await office.save(with_form("en", "email", "Class\n\nHello {{ nama }},\n{{ title | moment }}\n"))
    assert (answer.status_code, answer.json()["code"]) == (422, "template-faulty")
    (error,) = answer.json()["errors"]
    assert error["field"] == "forms.en.email"
    assert error["reason"].startswith("line 3: 'nama' is not known here; there are clashes, ")
    for broken in (with_form("id", "whatsapp", None), with_form("id", "sms", "x" * 500)):
        assert (await office.save(broken)).status_code == 422
    unknown = await office.save(name="booth-repainted")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "template-not-found")
    assert (await office.activate("0" * 16)).json()["code"] == "template-version-not-found"
    assert (await office.activate("nonsense")).status_code == 422


async def test_a_template_that_would_run_for_ever_is_refused_at_once_and_harms_nobody(office: Office) -> None:
    bombs = [
        "{% for i in range(10 ** 9) %}x{% endfor %}",
        "{{ 'x' * 10 ** 9 }}",
        "{{ 10 ** 10 ** 10 }}",
        "{{ title | center(10 ** 9) }}",
    ]
    began = asyncio.get_running_loop().time()
    answers = await asyncio.gather(*[office.save(with_form("id", "sms", f"Lapak: {bomb}")) for bomb in bombs])
    assert {answer.status_code for answer in answers} == {422}
    assert asyncio.get_running_loop().time() - began < 5


async def test_all_templates_are_listed_by_name_in_pages(office: Office) -> None:
    names: list[str] = []
    after = None
    while True:
        found = (await office.get("templates", limit=25, **({} if after is None else {"after": after}))).json()
        names += [item["template"] for item in found["items"]]
        after = found["next"]
        if after is None:
            break
    assert names == sorted(release_templates())
    (item,) = [one for one in found["items"] if one["template"] == "welcome"]
    assert (item["channels"], item["source"]) == (["email", "sms", "whatsapp"], "release")


async def test_a_preview_shows_each_channel_and_sends_nothing(office: Office) -> None:
    shown = {
        channel: (await office.post(f"templates/{NAME}/preview", {"channel": channel, "language": "en"})).json()
        for channel in ("email", "sms", "whatsapp", "inbox")
    }
    assert shown["email"]["subject"] == shown["inbox"]["subject"]
    assert "Dasar Kewirausahaan" in shown["email"]["subject"]
    assert shown["sms"]["segments"] in (1, 2, 3)
    assert shown["sms"]["encoding"] == "gsm-7"
    whatsapp = shown["whatsapp"]
    assert whatsapp["whatsapp_name"].startswith("lapak_training_enrolled_")
    assert whatsapp["parameters"][0] in whatsapp["text"]
    assert "{{1}}" in whatsapp["body"]
    assert "{{" not in whatsapp["text"]
    own = await office.post(f"templates/{NAME}/preview", {"params": {"title": "Kelas Batik"}})
    assert "Kelas Batik" in own.json()["subject"]
    wrong = await office.post(f"templates/{NAME}/preview", {"params": {"judul": "Kelas Batik"}})
    assert wrong.json()["errors"][0]["field"] == "params.judul"
    odd = await office.post(f"templates/{NAME}/preview", {"params": {"days": ["besok"], "starts_at": []}})
    assert (odd.status_code, odd.json()["code"]) == (422, "template-faulty")
    assert await office.desk.rows() == []


# ---- broadcasts


async def test_a_broadcast_template_declares_its_parameters(office: Office) -> None:
    name = "broadcast-ramadan"
    saved = await office.save(BROADCAST, name, parameters=KINDS)
    assert saved.status_code == 201, saved.text
    version = saved.json()["version"]
    other = await office.save(BROADCAST, name, parameters={**KINDS, "tempat": "text"})
    assert other.json()["version"] != version
    async with office.desk.database.transaction() as conn:
        with pytest.raises(TemplateNotFound):
            await handlers.find_sendable(conn, name)
    shown = (await office.get(f"templates/{name}")).json()
    assert shown["source"] == "unused"
    assert name not in [item["template"] for item in (await office.get("templates", limit=200)).json()["items"]]
    await office.activate(version, name)
    async with office.desk.database.transaction() as conn:
        found = await handlers.find_sendable(conn, name)
        assert (found.version, sorted(found.parameters)) == (version, ["hari", "judul"])
        assert await handlers.choose_versions(conn, [name], now=office.desk.clock.now()) == {name: version}
        with pytest.raises(TemplateNotSendable):
            await handlers.find_sendable(conn, NAME)
        with pytest.raises(TemplateNotFound):
            await handlers.choose_versions(conn, ["broadcast-unknown"], now=office.desk.clock.now())
    shown = (await office.get(f"templates/{name}")).json()
    assert (shown["source"], shown["parameters"]["hari"]["kind"]) == ("chosen", "date")
    preview = await office.post(
        f"templates/{name}/preview", {"params": {"judul": "Bazar", "hari": "2023-03-20"}, "channel": "whatsapp"}
    )
    assert preview.json()["text"] == "Halo Siti Aminah, kabar dari Lapak: Bazar pada Senin, 20 Maret 2023. Salam!"
    wrong = await office.post(f"templates/{name}/preview", {"params": {"judul": "Bazar"}})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "template-parameters-wrong")


# ---- WhatsApp's approval


ACCOUNT = {
    "adapter": "whatsapp",
    "number_id": "1090000001",
    "account_id": "2090000001",
    "token": "wa-token",
    "app_secret": "wa-secret",
    "verify_token": "wa-verify",
    "decision_ms": 0,
}


def number(url: str, **more: Any) -> WhatsAppSettings:
    """Our settings of the emulated number."""
    fields = {key: value for key, value in ACCOUNT.items() if key != "decision_ms"}
    return WhatsAppSettings.model_validate({**fields, "name": "wa-main", "url": f"{url}/graph", **more})


@asynccontextmanager
async def whatsapp(folder: Path, **more: Any) -> AsyncIterator[tuple[WhatsAppTemplates, Emulator, str]]:
    """An account at the emulator."""
    async with serving(folder) as (url, emulator), httpx.AsyncClient(base_url=url) as client:
        assert (await client.post("/admin/accounts", json={**ACCOUNT, **more})).is_success
        account = WhatsAppTemplates(number(url))
        try:
            yield account, emulator, url
        finally:
            await account.close()


def platform(desk: Desk) -> Platform:
    """What the background has of the service."""
    return Platform("notify", None, desk.database, desk.clock, desk.sealer)  # type: ignore[arg-type]  # not looked at


async def want_all(desk: Desk, account: str = ACCOUNT["account_id"]) -> int:  # type: ignore[assignment]
    async with desk.database.transaction() as conn:
        await handlers.keep_release(conn, now=desk.clock.now())
        await store.save_providers(conn, {"wa-main": account})
        return await handlers.want_current_forms(conn)


async def test_every_form_of_the_release_is_taken_by_meta_once(desk: Desk, tmp_path: Path) -> None:
    async with whatsapp(tmp_path) as (account, emulator, url):
        wanted = await want_all(desk)
        forms = [one for one in release_templates().values() for key in one.sources if key.endswith(".whatsapp")]
        assert wanted == len(forms)
        assert await want_all(desk) == 0
        # two replicas at once
        second = WhatsAppTemplates(number(url))
        while sum(
            await asyncio.gather(*[submit_some(platform(desk), one, per_hour=1000) for one in (account, second)])
        ):
            pass
        await second.close()
        async with desk.database.read() as conn:
            rows = await conn.fetch("SELECT status, tries FROM whatsapp_template")
        assert {(row["status"], row["tries"]) for row in rows} <= {("pending", 1), ("approved", 1)}
        assert len(emulator.templates.of("2090000001")) == wanted
        verdicts = [verdict async for verdict in account.find_all()]
        assert len(verdicts) == wanted
        async with desk.database.transaction() as conn:
            await handlers.note_verdicts(conn, verdicts, now=desk.clock.now())
            texts = {(one.name, one.version, "id") for one in release_templates().values()}
            with_form = {text for text in texts if "id.whatsapp" in release_templates()[text[0]].sources}
            ready = await handlers.find_whatsapp_ready(conn, texts)
        assert with_form <= ready


async def test_the_background_keeps_the_release_and_has_its_forms_approved(desk: Desk, tmp_path: Path) -> None:
    async with serving(tmp_path) as (url, emulator), httpx.AsyncClient(base_url=url) as client:
        await client.post("/admin/accounts", json=ACCOUNT)
        settings = NotifySettings.model_construct(providers=[number(url)], template_submissions_per_hour=7)
        stopping = asyncio.Event()
        running = asyncio.create_task(keep_templates(platform(desk), settings, stopping))
        while len(emulator.templates.of("2090000001")) < 7:
            assert not running.done()
            await asyncio.sleep(0.02)
        stopping.set()
        await asyncio.wait_for(running, 10)
        async with desk.database.read() as conn:
            assert await conn.fetchval("SELECT count(*) FROM template_version") == len(release_templates())
            assert await store.find_providers(conn) == {"wa-main": "2090000001"}
        # another start finds what the account has by now
        stopping = asyncio.Event()
        running = asyncio.create_task(keep_templates(platform(desk), settings, stopping))
        await until_approved(desk, 7)
        stopping.set()
        await asyncio.wait_for(running, 10)


async def until_approved(desk: Desk, count: int) -> None:
    for _ in range(200):
        async with desk.database.read() as conn:
            found = await conn.fetchval("SELECT count(*) FROM whatsapp_template WHERE status = 'approved'")
        if found == count:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"{found} of {count} are approved")


async def test_a_form_is_used_when_every_account_has_approved_it(desk: Desk) -> None:
    now = desk.clock.now()
    text = (NAME, release_templates()[NAME].version, "id")
    form = whatsapp_form_of(release_templates()[NAME], "id")
    async with desk.database.transaction() as conn:
        await handlers.keep_release(conn, now=now)
        # no account is known: nobody is to be asked
        assert await handlers.find_whatsapp_ready(conn, [text]) == {text}
        await store.save_providers(conn, {"wa-a": "1", "wa-b": "1", "wa-c": "2"})
        await handlers.want_current_forms(conn)
        for provider, status, expected in (
            ("wa-a", "approved", set()),
            ("wa-c", "pending", set()),
            ("wa-c", "approved", {text}),
            ("wa-b", "paused", set()),
            ("wa-b", "approved", {text}),
            ("wa-c", "disabled", set()),
            ("wa-c", "reinstated", {text}),
        ):
            verdict = TemplateVerdict(provider, form.name, "id", status)
            await handlers.note_verdicts(conn, [verdict, verdict], now=now)
            assert await handlers.find_whatsapp_ready(conn, [text]) == expected, (provider, status)
        await handlers.note_verdicts(conn, [TemplateVerdict("wa-a", "their_own_template", "id", "approved")], now=now)
        assert await conn.fetchval("SELECT count(*) FROM whatsapp_template WHERE name = 'their_own_template'") == 0
        assert await handlers.find_whatsapp_ready(conn, [("reply-x", "0", "id"), (NAME, "unknown", "id")]) == set()


async def test_a_verdict_that_overtakes_its_answer_stays(desk: Desk) -> None:
    now = desk.clock.now()
    await want_all(desk, "1")
    async with desk.database.transaction() as conn:
        (one,) = await store.claim_submissions(conn, "1", limit=1, lease_seconds=60)
        await handlers.note_verdicts(conn, [TemplateVerdict("wa-main", one.name, one.language, "approved")], now=now)
        await store.save_submitted(conn, one, status="pending", category="utility", reason=None, now=now)
        (row,) = await store.find_whatsapp_templates(conn, status="approved", template=None, after=None, limit=5)
    assert (row["name"], row["category"]) == (one.name, "utility")


async def test_a_submission_whose_worker_died_is_made_again_and_does_no_harm(desk: Desk, tmp_path: Path) -> None:
    async with whatsapp(tmp_path) as (account, emulator, _):
        await want_all(desk)
        async with desk.database.transaction() as conn:
            (one,) = await store.claim_submissions(conn, account.account, limit=1, lease_seconds=0)
        template = release_templates()[one.template]
        form = whatsapp_form_of(template, one.language)
        await account.submit(form, ["x"] * form.count)  # and then it died, before it could say so
        while await submit_some(platform(desk), account, per_hour=1000):
            pass
        async with desk.database.read() as conn:
            row = await conn.fetchrow(
                "SELECT status, tries FROM whatsapp_template WHERE name = $1 AND language = $2", one.name, one.language
            )
        assert row is not None
        assert (row["status"], row["tries"]) == ("pending", 2)
        names = [(one.name, one.language) for one in emulator.templates.of(account.account)]
        assert names.count((one.name, one.language)) == 1


async def test_no_more_are_submitted_in_an_hour_than_meta_takes_and_offers_go_first(desk: Desk, tmp_path: Path) -> None:
    async with whatsapp(tmp_path) as (account, emulator, _):
        await want_all(desk)
        counts = [await submit_some(platform(desk), account, per_hour=12) for _ in range(4)]
        assert counts == [10, 2, 0, 0]
        names = {one.name for one in emulator.templates.of(account.account)}
        assert any(name.startswith("lapak_booth_assigned_") for name in names)
        assert not any(name.startswith("lapak_welcome_") for name in names)


async def test_what_meta_refuses_is_said_and_can_be_asked_for_again(
    office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = office.desk
    async with serving(tmp_path) as (url, _), httpx.AsyncClient(base_url=url) as client:
        account = WhatsAppTemplates(number(url, token=SecretStr("wrong")))
        await client.post("/admin/accounts", json=ACCOUNT)
        await want_all(desk)
        assert await submit_some(platform(desk), account, per_hour=1) == 1
        waiting = (await office.get("whatsapp-templates", status="wanted", limit=200)).json()["items"]
        (tried,) = [one for one in waiting if one["tries"] == 1]
        assert tried["reason"].startswith("whatsapp 190")
        await account.close()
        again = await office.post("whatsapp-templates/submit", {"templates": [tried["template"]]})
        assert again.json() == {"wanted": 2}
        good = WhatsAppTemplates(number(url))
        while await submit_some(platform(desk), good, per_hour=1000):
            pass
        await good.close()
        assert (await office.get("whatsapp-templates", status="wanted")).json()["items"] == []
        listed = (await office.get(f"templates/{NAME}")).json()
        assert listed["whatsapp"] == {"id": "ready", "en": "ready"}


async def test_a_saved_version_is_submitted_before_it_is_used(office: Office) -> None:
    async with office.desk.database.transaction() as conn:
        await store.save_providers(conn, {"wa-main": "1"})
    version = (await office.save()).json()["version"]
    rows = (await office.get("whatsapp-templates", template=NAME)).json()["items"]
    assert [(row["language"], row["status"], row["version"]) for row in rows] == [
        ("en", "wanted", version),
        ("id", "wanted", version),
    ] or sorted(row["language"] for row in rows) == ["en", "id"]
    listed = (await office.get("templates", limit=200)).json()["items"]
    (item,) = [one for one in listed if one["template"] == NAME]
    assert item["whatsapp"] == {"id": "unknown", "en": "unknown"}


# ---- poison


async def test_a_poison_template_ends_its_own_messages_only(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    poisoned, well = people(2)
    await desk.hear(card(poisoned), card(well), enrolled(poisoned), enrolled(well))
    sources = {"id": "Kelas {{ title.nonsense }}\n\nx\n"}
    async with desk.database.transaction() as conn:
        await conn.execute(
            "INSERT INTO template_version (template, version, sources, first_used_at) VALUES ($1, 'poison', $2, now())",
            NAME,
            sources,
        )
        await conn.execute("UPDATE notification SET template_version = 'poison' WHERE vendor_id = $1", poisoned)
    async with mail_server(Mailbox()) as mailbox, desk.delivering(mailbox):
        await desk.settled()
    rows = {row["vendor_id"]: row for row in await desk.rows()}
    assert (rows[well]["state"], rows[well]["channel"]) == ("sent", "email")
    assert len(mailbox.accepted) == 1
    assert (rows[poisoned]["state"], rows[poisoned]["reason"]) == ("rejected", "template-fault")
    said = capsys.readouterr()
    assert "notification.template_fault" in said.out + said.err
    assert "Kewirausahaan" not in said.out + said.err
