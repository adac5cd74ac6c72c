"""`lapak dead-letters`: what was set aside, why, and what to do with it. Every act is kept with who and why."""

import asyncio
import base64
import getpass
import json
import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar
from uuid import UUID

import typer
from rich.console import Console
from rich.table import Table

from shared.command_doors import asking_database
from shared.command_doors import database as check_dsn

if TYPE_CHECKING:  # the mechanisms are imported when a command runs, so that `lapak --help` is quick
    from shared.crypto import Sealer
    from shared.db import Connection

__all__ = ["app"]

EXIT_NOT_DONE = 1

T = TypeVar("T")

app = typer.Typer(
    help="Messages a service could not handle: list, show, edit, replay in order, discard. "
    'Reads LAPAK_DATABASE and LAPAK_SECRET_KEYS of the service; on the local stack: eval "$(lapak env vendor)".',
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)
console = Console(highlight=False)

Dsn = Annotated[
    str,
    typer.Option("--database", envvar="LAPAK_DATABASE", help="DSN of the service's database.", callback=check_dsn),
]
Keys = Annotated[
    str, typer.Option("--secret-keys", envvar="LAPAK_SECRET_KEYS", help="The service's secret keys, JSON.")
]
Actor = Annotated[str, typer.Option(help="Who acts; kept with the act.")]
Letter = Annotated[UUID, typer.Argument(help="The letter's id, from `list`.")]


def _me() -> str:
    return os.environ.get("SUDO_USER") or getpass.getuser()


def _with_database(dsn: str, work: Callable[["Connection"], Awaitable[T]]) -> T:
    from shared.db import open_database
    from shared.errors import Refused

    async def run() -> T:
        database = await open_database(dsn, size=1, name="lapak-dead-letters")
        try:
            async with database.transaction() as conn:
                return await work(conn)
        finally:
            await database.pool.close()

    try:
        with asking_database(None, EXIT_NOT_DONE):
            return asyncio.run(run())
    except Refused as refused:
        typer.echo(refused.message, err=True)
        raise typer.Exit(EXIT_NOT_DONE) from refused


@app.command("list")
def list_letters(
    database: Dsn,
    topic: Annotated[str | None, typer.Option(help="Only of this topic.")] = None,
    kind: Annotated[str | None, typer.Option(help="malformed, refused or fault.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at the most.")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per line.")] = False,
) -> None:
    """Letters that failed or wait behind a failed one, oldest first."""
    from shared import dead_letters

    rows = _with_database(database, lambda conn: dead_letters.list_open(conn, topic=topic, kind=kind, limit=limit))
    if as_json:
        for row in rows:
            typer.echo(json.dumps({**row, "key": _text(row["key"])}, default=str))
        return
    if not rows:
        console.print("there are no dead letters")
        return
    table = Table("id", "state", "type", "topic", "offset", "key", "error", "tries")
    for row in rows:
        place = f"{row['partition']}:{row['record_offset']}"
        state = "replay asked" if row["replay"] else row["state"]
        error = f"{row['error_kind'] or ''} {row['error'] or ''}".strip()
        table.add_row(
            str(row["id"]), state, row["type"], row["topic"], place, _text(row["key"]), error, str(row["attempts"])
        )
    console.print(table)


@app.command()
def show(
    letter: Letter,
    database: Dsn,
    secret_keys: Keys,
    body: Annotated[bool, typer.Option("--body", help="Print the body too; it may hold personal data.")] = False,
) -> None:
    """One letter: where it came from, its headers, what was done with it."""
    from shared import dead_letters

    row, acts = _with_database(database, lambda conn: dead_letters.find(conn, letter))
    shown: dict[str, Any] = {name: value for name, value in row.items() if name not in ("value", "headers", "key")}
    shown["key"] = _text(row["key"])
    shown["acts"] = acts
    shown["headers"] = {name: _text(None if v is None else base64.b64decode(v)) for name, v in row["headers"]}
    typer.echo(json.dumps(shown, default=str, indent=2))
    if body:
        value = dead_letters.to_record(row, _sealer(secret_keys)).value
        typer.echo("" if value is None else value.decode(errors="backslashreplace"))


@app.command()
def replay(
    database: Dsn,
    letters: Annotated[list[UUID] | None, typer.Argument(help="Ids; without any, --all is needed.")] = None,
    all_letters: Annotated[bool, typer.Option("--all", help="Every failed letter (of --topic, --kind).")] = False,
    topic: Annotated[str | None, typer.Option(help="With --all: only of this topic.")] = None,
    kind: Annotated[str | None, typer.Option(help="With --all: malformed, refused or fault.")] = None,
    note: Annotated[str | None, typer.Option(help="Why; kept with the act.")] = None,
    actor: Actor = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how many.")] = False,
) -> None:
    """Have the running service try letters again, each key in its order; what waits behind them follows."""
    from shared import dead_letters

    if bool(letters) == all_letters:
        console.print("name the letters, or say --all")
        raise typer.Exit(2)

    async def ask(conn: "Connection") -> int:
        ids = list(letters or [])
        if all_letters:
            rows = await dead_letters.list_open(conn, topic=topic, kind=kind, limit=1_000_000)
            ids = [row["id"] for row in rows if row["state"] == "failed"]
        if dry_run:
            return len(ids)
        return await dead_letters.ask_replay(conn, ids, actor=actor or _me(), note=note, now=datetime.now(UTC))

    count = _with_database(database, ask)
    console.print(f"{count} would be tried again" if dry_run else f"{count} will be tried again by the service")
    if not dry_run and letters and count < len(letters):
        console.print("the others are not failed (any more)")
        raise typer.Exit(1)


@app.command()
def discard(
    letter: Letter, database: Dsn, note: Annotated[str, typer.Option(help="Why it is given up.")], actor: Actor = ""
) -> None:
    """Give a failed letter up for good; those behind it are tried next."""
    from shared import dead_letters

    _with_database(
        database,
        lambda conn: dead_letters.discard(conn, letter, actor=actor or _me(), note=note, now=datetime.now(UTC)),
    )
    console.print("discarded")


@app.command()
def edit(
    letter: Letter,
    body: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="File with the new body (JSON).")],
    database: Dsn,
    secret_keys: Keys,
    note: Annotated[str, typer.Option(help="Why it is changed.")],
    actor: Actor = "",
) -> None:
    """Replace the body of a failed letter, before `replay`."""
    from shared import dead_letters

    value = body.read_bytes()
    try:
        json.loads(value)
    except ValueError as error:
        console.print(f"{body} is not JSON: {error}", markup=False)
        raise typer.Exit(2) from error
    _with_database(
        database,
        lambda conn: dead_letters.edit(
            conn, _sealer(secret_keys), letter, value, actor=actor or _me(), note=note, now=datetime.now(UTC)
        ),
    )
    console.print("changed; `lapak dead-letters replay` has it tried again")


def _sealer(secret_keys: str) -> "Sealer":
    from shared.crypto import Sealer

    try:
        return Sealer(json.loads(secret_keys))
    except ValueError as error:
        console.print(f"--secret-keys (LAPAK_SECRET_KEYS): {error}", markup=False)
        raise typer.Exit(2) from error


def _text(raw: bytes | None) -> str:
    return "" if raw is None else raw.decode(errors="backslashreplace")
