"""`lapak notify` against a served notify: what it shows, what it does, how it ends."""

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import uvicorn

from services.notify.app import create
from services.notify.handlers import delivery
from shared.auth import LocalIssuer
from shared.crypto import Sealer
from shared.service import Platform
from tests.conftest import MakeDatabase, StandingClock, environment
from tests.integration.backbone import until
from tests.integration.notify import Desk, Mailbox, card, enrolled, mail_server, people
from tests.integration.notify_wishes import KARANG_ANYAR, consented, registered
from tests.integration.outside import Outside
from tests.unit.notify_mails import absence, dsn, fields


class Shell:
    """Runs commands as an operator, in a process that has them imported."""

    def __init__(self, desk: Desk, url: str, issuer: LocalIssuer, process: asyncio.subprocess.Process) -> None:
        self.desk = desk
        self.issuer = issuer
        token = issuer.token("operator-1", ["operator"])
        self._env = {"LAPAK_TOKEN": token, "LAPAK_NOTIFY_URL": url, "COLUMNS": "200"}
        self._process = process

    async def run(self, *words: str, stdin: str | None = None, **env: str) -> tuple[int, str, str]:
        """Exit code, stdout, stderr."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        asked = {"words": ["notify", *words], "env": {**self._env, **env}, "stdin": stdin}
        self._process.stdin.write(json.dumps(asked).encode() + b"\n")
        code, out, err = json.loads(await self._process.stdout.readline())
        return code, out, err

    async def json(self, *words: str) -> Any:
        """What `--json` says; it must be done."""
        code, out, err = await self.run(*words, "--json")
        assert code == 0, err
        return json.loads(out)


@pytest.fixture(scope="module")
async def commands() -> AsyncIterator[asyncio.subprocess.Process]:
    """A process that runs commands: to import them takes longer than to run them."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.integration.commands"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    yield process
    process.kill()
    await process.wait()


@pytest.fixture
async def shell(
    commands: asyncio.subprocess.Process,
    make_database: MakeDatabase,
    issuer: LocalIssuer,
    clock: StandingClock,
    sealer: Sealer,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Shell]:
    """Notify behind a real port."""
    monkeypatch.setenv("LAPAK_SMTP", "127.0.0.1:1")
    monkeypatch.setenv("LAPAK_BROADCAST_APPROVAL_OVER", "2")
    fresh = await make_database("notify")
    for name, value in environment(issuer, fresh.dsn).items():
        monkeypatch.setenv(name, value)
    service = create()
    app = service.app()
    app.state.platform = Platform("notify", service.settings, fresh.database, clock, sealer)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, lifespan="off"))
    serving = asyncio.create_task(server.serve())

    async def started() -> bool:
        return server.started

    await until(started)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield Shell(Desk(fresh.database, clock, sealer), f"http://127.0.0.1:{port}", issuer, commands)
    server.should_exit = True
    with suppress(asyncio.CancelledError):
        await serving


async def test_a_message_is_found_shown_and_sent_again(shell: Shell) -> None:
    (vendor,) = people(1)
    await shell.desk.hear(card(vendor), enrolled(vendor))
    shell.desk.clock.advance(days=8)  # type: ignore[attr-defined]  # the clock of tests
    async with shell.desk.database.transaction() as conn:
        await delivery.expire_overdue(conn, now=shell.desk.clock.now())
    message_id = str((await shell.desk.row())["id"])
    (found,) = await shell.json("find", "--vendor", str(vendor))
    by_phone = await shell.json("find", "--phone", "+6281234567890")
    assert (found["notification_id"], found["state"]) == (message_id, "expired")
    assert [one["notification_id"] for one in by_phone] == [message_id]
    shown = await shell.run("show", message_id)
    refused = await shell.run("resend", message_id, "--reason", "salah alamat")
    sent = await shell.json("resend", message_id, "--reason", "salah alamat", "--deadline", "2023-03-12T17:00+07:00")
    assert shown[0] == 0
    assert "state: expired" in shown[1]
    assert refused[0] == 1
    assert "resend-refused" in refused[2]
    assert "deadline" in refused[2]
    assert sent["resend_of"] == message_id
    assert len(await shell.desk.rows()) == 2


async def test_keys_subscribers_and_figures(shell: Shell) -> None:
    key = await shell.json("keys", "create", "SIPPT", "--kind", "test")
    assert key["key"].startswith("lapak_test_")
    subscriber = await shell.json("subscribers", "add", "SIPPT", "http://127.0.0.1:9/x", "--type", "NotificationSent")
    revoked = await shell.run("keys", "revoke", key["key_id"])
    listed = await shell.json("subscribers", "list")
    told = await shell.json("subscribers", "ping", subscriber["subscriber_id"])
    strange = await shell.run("subscribers", "deliveries", str(uuid4()))
    unknown = await shell.run("unknown")
    figures = await shell.run("figures", "--by", "channel,template")
    rows = await shell.json("suppressions")
    magic = await shell.run("keys", "magic")
    assert revoked[0] == 0
    assert listed[0]["name"] == "SIPPT"
    assert told["event_id"]
    assert (unknown[0], unknown[1]) == (0, "")
    assert figures[0] == 0
    assert (strange[0], "subscriber-not-found" in strange[2]) == (1, True)
    assert rows == []
    assert "+620000000001" in magic[1]
    (row,) = await shell.json("keys", "list")
    assert row["revoked_by"] == "operator-1"


async def test_refused_wrong_and_unreachable_end_with_their_own_codes(shell: Shell) -> None:
    nobody = str(uuid4())
    missing = await shell.run("show", nobody)
    wrong = await shell.run("settle", nobody, "--outcome", "maybe", "--reason", "x")
    two = await shell.run("find", "--vendor", nobody, "--phone", "+6281234567890")
    away = await shell.run("unknown", LAPAK_NOTIFY_URL="http://127.0.0.1:1")
    anybody = await shell.run("unknown", LAPAK_TOKEN="no-token")
    both = await shell.run("find", "--reference", "case-1", "--state", "sent")
    turned = await shell.run("figures", "--from", "2023-03-20", "--to", "2023-03-01")
    assert (missing[0], wrong[0], two[0], away[0], anybody[0]) == (1, 2, 2, 2, 1)
    assert (both[0], turned[0]) == (2, 1)
    assert "find by themselves" in both[2]
    assert "lies after to" in turned[2]
    assert "No notification has this id" in missing[2]
    assert "does not answer" in away[2]
    assert "token" in anybody[2]


async def test_a_template_is_fetched_changed_saved_and_rolled_back(shell: Shell, tmp_path: Path) -> None:
    listed = {row["template"]: row for row in await shell.json("templates", "list")}
    released = listed["welcome"]["version"]
    fetched = await shell.run("templates", "fetch", "welcome", str(tmp_path))
    same = await shell.run("templates", "save", "welcome", str(tmp_path), "--reason", "as it is")
    text = tmp_path / "id" / "welcome.txt"
    text.write_text(text.read_text().replace("{{ name }}", "{{ nama }}"))
    faulty = await shell.run("templates", "save", "welcome", str(tmp_path), "--reason", "a slip")
    text.write_text(text.read_text().replace("{{ nama }}", "Bu {{ name }}"))
    saved = await shell.run("templates", "save", "welcome", str(tmp_path), "--reason", "more polite")
    version = saved[1].strip()
    looked = await shell.json("templates", "preview", "welcome", "--version", version)
    active = await shell.run("templates", "activate", "welcome", version, "--reason", "more polite")
    used = await shell.json("templates", "preview", "welcome")
    back = await shell.run("templates", "activate", "welcome", released, "--reason", "back")
    assert [one[0] for one in (fetched, same, faulty, saved, active, back)] == [0, 0, 1, 0, 0, 0]
    assert len(fetched[1].split()) == 6
    assert same[1].strip() == released
    assert "'nama' is not known here" in faulty[2]
    assert used["text"] == looked["text"]
    assert "Bu Siti" in used["text"]
    assert (await shell.json("templates", "preview", "welcome"))["version"] == released
    assert (await shell.json("templates", "status")) == []
    assert (await shell.run("templates", "submit"))[0] == 0


async def test_what_is_refused_of_a_template_names_the_field_and_the_way_out(shell: Shell, tmp_path: Path) -> None:
    pigeon = await shell.run("templates", "preview", "welcome", "--channel", "pigeon")
    nothing = await shell.run("templates", "preview", "nothing")
    no_json = await shell.run("templates", "preview", "welcome", "--params", "{x}")
    no_files = await shell.run("templates", "save", "welcome", str(tmp_path), "--reason", "x")
    away = await shell.run("templates", "list", LAPAK_NOTIFY_URL="http://127.0.0.1:1")
    submitted = await shell.run("templates", "submit", "nothing")
    version = await shell.run("templates", "activate", "welcome", "newest", "--reason", "x")
    assert [one[0] for one in (pigeon, nothing, no_json, no_files, away)] == [1, 1, 2, 2, 2]
    assert (submitted[0], "There is no template nothing" in submitted[2]) == (1, True)
    assert (version[0], "version: must have 16 digits" in version[2]) == (1, True)
    assert "channel: Input should be" in pigeon[2]
    assert "GET /v1/templates lists them" in nothing[2]
    assert "is not there" in no_files[2]


async def test_a_wrong_phone_and_a_missing_reason_are_told_with_the_way_out(shell: Shell) -> None:
    local = await shell.run("find", "--phone", "081234567890")
    assert local[0] == 1
    assert "phone: must begin with + and the country code, as in +62812" in local[2]
    mail = await shell.run("find", "--email", "siti")
    assert (mail[0], "email: must be an e-mail address: plain" in mail[2]) == (1, True)
    bare = await shell.run("resume", "smtp")
    assert bare[0] == 2
    assert "--reason" in bare[2]


async def test_show_gives_the_words_that_left_and_the_events(shell: Shell) -> None:
    (vendor,) = people(1)
    await shell.desk.hear(card(vendor), enrolled(vendor))
    async with mail_server(Mailbox()) as mailbox, shell.desk.delivering(mailbox):
        await shell.desk.until("sent", 1)
    row = await shell.desk.row()
    code, out, _ = await shell.run("show", str(row["id"]))
    assert code == 0
    assert "words:" in out
    assert "  | " in out  # a text of several lines stands as a block
    assert out.count("Dasar Kewirausahaan") >= 2
    assert "\ntext:" not in out  # nothing is said twice
    assert "- 1 NotificationSent" in out
    assert (await shell.json("show", str(row["id"])))["attempt_list"][0]["words"]["subject"]


async def test_a_broadcast_is_drafted_listed_submitted_rejected_and_approved_by_a_second_officer(
    shell: Shell, tmp_path: Path
) -> None:
    desk = shell.desk
    await Outside(desk, None, shell.issuer).template()  # type: ignore[arg-type]  # it asks nobody
    vendors = people(3)
    for one in vendors:
        await desk.hear(registered(one, KARANG_ANYAR), card(one), consented(one))
    first, second, far = (
        {"LAPAK_TOKEN": shell.issuer.token(name, ["officer"], area=area)}
        for name, area in (("ani", "31.71"), ("budi", "31.71"), ("citra", "31.75"))
    )
    file = tmp_path / "draft.json"
    wish = {"template": "broadcast-kabar", "params": {"title": "Bazar", "day": "2023-03-20"}, "areas": ["31.71"]}
    file.write_text(json.dumps({**wish, "by_list": True}))
    drafted = await shell.run("broadcasts", "draft", str(file), **first)
    assert drafted[0] == 0, drafted[2]
    broadcast = drafted[1].strip()
    assert "list-people" in drafted[2]
    no_list = await shell.run("broadcasts", "submit", broadcast, **first)
    assert (no_list[0], "list-missing" in no_list[2]) == (1, True)
    people_file = tmp_path / "people.csv"
    people_file.write_text("vendor_id\n" + "\n".join([*map(str, vendors), str(vendors[0]), str(uuid4()), "x"]))
    listed = await shell.run("broadcasts", "list-people", broadcast, str(people_file), **first)
    assert listed[0] == 0, listed[2]
    assert "3 people, 1 lines repeat somebody." in listed[2]
    assert "line 7: holds no id" in listed[2]
    people_file.write_text("%PDF-1.7\nSurat\n")
    no_list = await shell.run("broadcasts", "list-people", broadcast, str(people_file), **first)
    assert (no_list[0], "list-unreadable" in no_list[2]) == (1, True)  # and the list it had stays
    plan = await shell.run("broadcasts", "plan", str(file), **first)
    assert "people_a_day: unlimited" in plan[1]
    assert re.search(r"begins_at: 20[0-9-]{8}T[0-9:]{8}\+07:00\n", plan[1])
    submitted = await shell.run("broadcasts", "submit", broadcast, **first)
    assert f"approve {broadcast} --version 1" in submitted[2]
    own = await shell.run("broadcasts", "approve", broadcast, "--version", "1", **first)
    strange = await shell.run("broadcasts", "approve", broadcast, "--version", "1", **far)
    assert (own[0], strange[0]) == (1, 1)
    assert "another officer of the area" in own[2]
    rejected = await shell.run("broadcasts", "reject", broadcast, "--reason", "hari salah", **second)
    assert (rejected[0], "state: draft" in rejected[1]) == (0, True)
    assert (await shell.run("broadcasts", "submit", broadcast, **first))[0] == 0
    stale = await shell.run("broadcasts", "approve", broadcast, "--version", "1", **second)
    assert (stale[0], "broadcast-changed" in stale[2]) == (1, True)
    approved = await shell.run("broadcasts", "approve", broadcast, "--version", "2", **second)
    assert (approved[0], "state: running" in approved[1]) == (0, True)
    assert (await shell.run("broadcasts", "stop", broadcast, "--reason", "uji"))[0] == 0  # an operator may
    missing = await shell.run("broadcasts", "draft", str(tmp_path / "none.json"), **first)
    file.write_text("[]")
    odd = await shell.run("broadcasts", "draft", str(file), **first)
    assert (missing[0], odd[0]) == (2, 2)
    helped = await shell.run("broadcasts", "--help")
    for word in ("draft", "list-people", "submit", "approve", "reject", "pause", "resume", "stop", "Exit code"):
        assert word in helped[1]


async def test_a_template_is_paused_and_resumed_and_it_is_said_what_that_means(shell: Shell) -> None:
    (vendor,) = people(1)
    await shell.desk.hear(card(vendor), enrolled(vendor))
    paused = await shell.run("templates", "pause", "training-enrolled", "--reason", "wrong-text")
    twice = await shell.run("templates", "pause", "training-enrolled", "--reason", "wrong-text")
    listed = await shell.json("templates", "list")
    resumed = await shell.run("templates", "resume", "training-enrolled", "--reason", "text-mended")
    assert (paused[0], "1 messages wait" in paused[2]) == (0, True)
    assert (twice[0], "template-stands" in twice[2]) == (1, True)
    assert [one["template"] for one in listed if one["paused"]] == ["training-enrolled"]
    assert (resumed[0], "1 messages go on" in resumed[2]) == (0, True)
    assert len(await shell.json("templates", "pauses")) == 2


async def test_bounces_are_brought_as_mail_servers_want_it(shell: Shell, tmp_path: Path) -> None:
    mail = absence("lapak@lapak.test")
    for name in ("1.eml", "2.eml"):
        (tmp_path / name).write_bytes(mail + name.encode())
    large = dsn("lapak@lapak.test", [fields()]) + b"x" * 2_000_000
    (tmp_path / "large.eml").write_bytes(large)
    several = await shell.run("bounces", *(str(tmp_path / name) for name in ("1.eml", "2.eml", "large.eml")))
    piped = await shell.run("bounces", "-", stdin=large.decode())
    missing = await shell.run("bounces", str(tmp_path / "none.eml"), str(tmp_path / "1.eml"))
    away = await shell.run("bounces", "-", stdin="x", LAPAK_NOTIFY_URL="http://127.0.0.1:1")
    nobody = await shell.run("bounces", "-", stdin="x", LAPAK_TOKEN="")
    odd = await shell.run("bounces", "-", stdin="x", LAPAK_TOKEN="kunci-é")
    elsewhere = await shell.run("bounces", "-", "--provider", "sms-a", stdin="x")
    assert (several[0], several[1].strip()) == (0, "2 auto-reply, 1 unproven")
    assert (piped[0], piped[1].strip()) == (0, "1 unproven")
    assert (missing[0], missing[1].strip()) == (66, "1 auto-reply")
    assert [one[0] for one in (away, nobody, odd, elsewhere)] == [75, 75, 75, 75], "to be brought again"
    assert "token" in nobody[2]
    async with shell.desk.database.read() as conn:
        keys = await conn.fetchval("SELECT count(*) FROM idempotency_key WHERE path = '/v1/providers/{name}/reports'")
    assert keys == 3, "the same mail counts once"
