"""The audit log: what is noted, that nothing gets lost between writers, and that every tampering is found."""

import asyncio
import hashlib
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from typer.testing import CliRunner

from services.cli import app as cli
from services.vendor.store import audit
from services.vendor.store.audit import Broken, Entry, Head, add_entry, verify_chain
from tests.integration.vendor import Registry, ok

NOW = datetime(2023, 3, 1, 2, 0, 0, 123456, tzinfo=UTC)
SOMEBODY = UUID("01900000-0000-7000-8000-000000000001")


async def write(registry: Registry, count: int, **detail: Any) -> None:
    for number in range(count):
        async with registry.database.transaction() as conn:
            await add_entry(conn, "officer-1", "looked", SOMEBODY, {"n": number, **detail}, NOW)


async def verified(registry: Registry, expected: Head | None = None) -> Head | Broken:
    async with registry.database.read() as conn:
        steps = [step async for step in verify_chain(conn, expected)]
    return steps[-1]


async def tamper(registry: Registry, *statements: str) -> None:
    """Do to the log what its trigger forbids, as an owner of the table can."""
    async with registry.database.transaction() as conn:
        await conn.execute("ALTER TABLE audit_log DISABLE TRIGGER audit_log_append_only")
        for statement in statements:
            await conn.execute(statement)
        await conn.execute("ALTER TABLE audit_log ENABLE TRIGGER audit_log_append_only")


# ---- writing


async def test_details_survive_the_database_in_the_form_they_were_hashed_in(registry: Registry) -> None:
    details: list[dict[str, Any]] = [
        {},
        {"b": 1, "a": 2, "aa": 3, "B": 4},
        {"text": 'Jos\u00e9 \u0301 \U0001f600 \u2028 " \\ / \x7f'},
        {"numbers": [0, -1, 2**53 + 1, 10**30]},
        {"nested": {"z": [None, True, {"y": []}], "": ""}},
        {"tuple": ("a", "b")},
    ]
    for detail in details:
        async with registry.database.transaction() as conn:
            await add_entry(conn, "actor \u00e9", "act", None, detail, NOW)
    head = await verified(registry)
    assert isinstance(head, Head)
    assert head.rows == len(details)


async def test_a_detail_that_would_come_back_in_another_form_is_refused(registry: Registry) -> None:
    values: list[Any] = [1.5, -0.0, 1e20, {1: "a"}, UUID(int=1), NOW, b"x", {"deep": [1, {"x": 2.0}]}]
    for value in values:
        async with registry.database.transaction() as conn:
            with pytest.raises(TypeError, match="audit detail"):
                await add_entry(conn, "actor", "act", None, {"value": value}, NOW)
    assert await registry.value("SELECT count(*) FROM audit_log") == 0


async def test_many_writers_at_once_make_one_chain_without_a_gap(registry: Registry) -> None:
    await registry.crowd()

    async def one(number: int) -> None:
        async with registry.database.transaction() as conn:
            await add_entry(conn, f"officer-{number}", "looked", None, {"n": number}, NOW)
            if number % 4 == 0:
                await add_entry(conn, f"officer-{number}", "looked-twice", None, {}, NOW)
            if number % 3 == 0:
                raise ZeroDivisionError

    outcomes = await asyncio.gather(*(one(number) for number in range(24)), return_exceptions=True)
    assert sum(isinstance(outcome, ZeroDivisionError) for outcome in outcomes) == 8
    head = await verified(registry)
    assert isinstance(head, Head)
    assert head.rows == 16 + 4, "what was rolled back left neither row nor gap"


async def test_rows_cannot_be_changed_or_removed_by_a_slip(registry: Registry) -> None:
    await write(registry, 2)
    for statement in ("UPDATE audit_log SET actor = 'x'", "DELETE FROM audit_log", "TRUNCATE audit_log"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with registry.database.transaction() as conn:
                await conn.execute(statement)
    assert await registry.value("SELECT count(*) FROM audit_log WHERE actor = 'officer-1'") == 2


# ---- verifying

TAMPERINGS: dict[str, tuple[list[str], int]] = {
    "a time": (["UPDATE audit_log SET at = at + interval '1 microsecond' WHERE seq = 3"], 3),
    "an actor": (["UPDATE audit_log SET actor = 'officer-2' WHERE seq = 3"], 3),
    "an act": (["UPDATE audit_log SET act = 'Looked' WHERE seq = 1"], 1),
    "a vendor": (["UPDATE audit_log SET vendor_id = NULL WHERE seq = 3"], 3),
    "a detail": (["""UPDATE audit_log SET detail = '{"n": 7}' WHERE seq = 3"""], 3),
    "a detail of another kind": (["UPDATE audit_log SET detail = '7' WHERE seq = 3"], 3),
    "a time without end": (["UPDATE audit_log SET at = 'infinity' WHERE seq = 3"], 3),
    "a hash": (["UPDATE audit_log SET hash = sha256('x') WHERE seq = 3"], 3),
    "a hash that is none": (["UPDATE audit_log SET hash = '' WHERE seq = 3"], 3),
    "a row removed": (["DELETE FROM audit_log WHERE seq = 3"], 3),
    "the first row removed": (["DELETE FROM audit_log WHERE seq = 1"], 1),
    "a row removed, the rest renumbered": (
        ["DELETE FROM audit_log WHERE seq = 3", "UPDATE audit_log SET seq = seq - 1 WHERE seq > 3"],
        3,
    ),
    "a row inserted, the rest renumbered": (
        [
            "UPDATE audit_log SET seq = seq + 100 WHERE seq > 2",
            "UPDATE audit_log SET seq = seq - 99 WHERE seq > 100",
            "INSERT INTO audit_log SELECT 3, at, actor, act, vendor_id, detail, hash FROM audit_log WHERE seq = 2",
        ],
        3,
    ),
    "a row at the end that nobody chained": (
        ["INSERT INTO audit_log SELECT 6, at, actor, act, vendor_id, detail, hash FROM audit_log WHERE seq = 5"],
        6,
    ),
    "a row before the first": (
        ["INSERT INTO audit_log SELECT 0, at, actor, act, vendor_id, detail, hash FROM audit_log WHERE seq = 5"],
        0,
    ),
    "two rows in each other's place": (
        [
            "UPDATE audit_log SET seq = 99 WHERE seq = 3",
            "UPDATE audit_log SET seq = 3 WHERE seq = 4",
            "UPDATE audit_log SET seq = 4 WHERE seq = 99",
        ],
        3,
    ),
    "everything": (["DELETE FROM audit_log WHERE seq < 5"], 1),
}


async def test_every_tampering_is_found_at_its_first_row(registry: Registry) -> None:
    await write(registry, 5)
    whole = await verified(registry)
    assert isinstance(whole, Head)
    assert whole.rows == 5
    await registry.database.pool.execute("CREATE TABLE kept AS SELECT * FROM audit_log")
    for name, (statements, seq) in TAMPERINGS.items():
        await tamper(registry, *statements)
        broken = await verified(registry)
        assert isinstance(broken, Broken), name
        assert broken.seq == seq, name
        assert ("was removed" in broken.why) == (name in ("a row removed", "the first row removed", "everything")), name
        await tamper(registry, "DELETE FROM audit_log", "INSERT INTO audit_log SELECT * FROM kept")
        assert await verified(registry) == whole, name


async def test_a_tail_cut_off_is_found_against_a_head_written_down(registry: Registry) -> None:
    await write(registry, 5)
    head = await verified(registry)
    assert isinstance(head, Head)
    await write(registry, 1)
    assert isinstance(await verified(registry, head), Head), "the log may have grown since"
    await tamper(registry, "DELETE FROM audit_log WHERE seq > 3")
    assert isinstance(await verified(registry), Head), "the chain alone does not tell"
    broken = await verified(registry, head)
    assert isinstance(broken, Broken)
    assert broken.seq == 4
    await tamper(registry, "DELETE FROM audit_log")
    assert await verified(registry, head) == Broken(1, "was removed with all behind it: 5 rows were written down")


async def test_a_chain_computed_anew_is_found_against_a_head_written_down(registry: Registry) -> None:
    await write(registry, 3)
    head = await verified(registry)
    assert isinstance(head, Head)
    await tamper(registry, "DELETE FROM audit_log")
    await write(registry, 3, forged=True)
    await write(registry, 1)
    assert isinstance(await verified(registry), Head), "the chain alone does not tell"
    broken = await verified(registry, head)
    assert isinstance(broken, Broken)
    assert broken.seq == 3


async def test_an_empty_log_is_whole(registry: Registry) -> None:
    assert await verified(registry) == Head(0, audit.BEGINNING)


async def test_a_long_log_is_walked_in_steps(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "ROWS_PER_FETCH", 2)
    await write(registry, 5)
    async with registry.database.read() as conn:
        steps = [step async for step in verify_chain(conn)]
    assert [step.rows for step in steps if isinstance(step, Head)] == [2, 4, 5, 5]


async def test_a_hash_is_over_the_row_before_and_the_row() -> None:
    entry = Entry(1, NOW, "officer-1", "looked", None, {"b": 1, "a": "\u00e9"})
    text = (
        '{"act":"looked","actor":"officer-1","at":"2023-03-01T02:00:00.123456+00:00",'
        '"detail":{"a":"\u00e9","b":1},"seq":1,"vendor_id":null}'
    )
    assert audit.digest(b"\x07" * 32, entry) == hashlib.sha256(b"\x07" * 32 + text.encode()).digest()


# ---- lapak audit verify


async def lapak(*arguments: str, dsn: str | None = None) -> tuple[int, str, str]:
    """Run `lapak audit verify`; exit code, what was printed, what was said beside it."""
    runner = CliRunner(env={"COLUMNS": "200", "LAPAK_DATABASE": dsn})
    result = await asyncio.to_thread(runner.invoke, cli, ["audit", "verify", *arguments])
    return result.exit_code, result.stdout.strip(), result.stderr


async def test_the_command_prints_the_head_and_names_the_first_broken_row(registry: Registry) -> None:
    await write(registry, 3)
    head = await verified(registry)
    assert isinstance(head, Head)
    written = f"3:{head.hash.hex()}"
    assert (await lapak(dsn=registry.dsn))[:2] == (0, written)
    assert (await lapak("--database", registry.dsn, "--expect", written))[:2] == (0, written)
    code, printed, said = await lapak("--expect", f"4:{head.hash.hex()}", dsn=registry.dsn)
    assert (code, printed) == (1, "")
    assert "row 4 was removed" in said
    await tamper(registry, "UPDATE audit_log SET act = 'nothing' WHERE seq = 2")
    code, printed, said = await lapak(dsn=registry.dsn)
    assert (code, printed) == (1, "")
    assert "row 2 was changed" in said


async def test_the_command_says_what_it_cannot_read(registry: Registry) -> None:
    code, _, said = await lapak("--expect", "many", dsn=registry.dsn)
    assert (code, "--expect" in said) == (2, True)
    code, _, said = await lapak("--database", "postgresql://nobody:secret@127.0.0.1:1/nothing")
    assert (code, "secret" in said) == (2, False)


# ---- over HTTP


async def test_operators_read_the_log_the_newest_first(registry: Registry) -> None:
    token = registry.of("operator")
    other = uuid4()
    async with registry.database.transaction() as conn:
        for number in range(5):
            vendor_id = other if number == 3 else SOMEBODY
            await add_entry(
                conn, f"officer-{number % 2}", "looked" if number else "began", vendor_id, {"n": number}, NOW
            )
    everything = ok(await registry.get("/v1/audit", token=token))["items"]
    assert [item["seq"] for item in everything] == [5, 4, 3, 2, 1]
    assert everything[0] == {
        "seq": 5,
        "at": "2023-03-01T02:00:00.123456Z",
        "actor": "officer-0",
        "act": "looked",
        "vendor_id": str(SOMEBODY),
        "detail": {"n": 4},
        "hash": (await registry.value("SELECT hash FROM audit_log WHERE seq = 5")).hex(),
    }

    async def seqs(**params: Any) -> list[int]:
        return [item["seq"] for item in ok(await registry.get("/v1/audit", token=token, **params))["items"]]

    assert await seqs(vendor_id=other) == [4]
    assert await seqs(actor="officer-1") == [4, 2]
    assert await seqs(act="began") == [1]
    assert await seqs(actor="officer-0", act="looked", vendor_id=SOMEBODY) == [5, 3]
    first = ok(await registry.get("/v1/audit", token=token, limit=3))
    assert await seqs(after=first["next"], limit=3) == [2, 1]


async def test_nonsense_about_the_log_is_refused(registry: Registry) -> None:
    token = registry.of("operator")
    beyond_bigint, below_zero = "OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5", "LTE"
    bad: list[dict[str, Any]] = [{"actor": "a\x00b"}, {"act": ""}, {"vendor_id": "x"}]
    for params in [*bad, {"after": beyond_bigint}, {"after": below_zero}, {"after": "x"}]:
        assert (await registry.get("/v1/audit", token=token, **params)).status_code == 422, params
    for role in ("officer", "registrar", "service", "vendor"):
        assert (await registry.get("/v1/audit", token=registry.of(role, "31"))).status_code == 403
