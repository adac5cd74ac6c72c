"""`lapak audit`: proof that the registry's audit log is as it was written."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from shared.command_doors import asking_database
from shared.command_doors import database as check_dsn

if TYPE_CHECKING:  # imported when a command runs, so that `lapak --help` is quick
    from services.vendor.store.audit import Broken, Head

__all__ = ["app"]

EXIT_BROKEN = 1
EXIT_NOT_VERIFIED = 2

app = typer.Typer(help="The registry's audit log.", no_args_is_help=True)
console = Console(stderr=True)

_HEAD = re.compile(r"(\d{1,18}):([0-9a-f]{64})", re.ASCII)


@app.callback()
def audit() -> None:
    """The registry's audit log."""


@app.command()
def verify(
    database: Annotated[
        str,
        typer.Option(envvar="LAPAK_DATABASE", help="DSN of the vendor service's database.", callback=check_dsn),
    ],
    expect: Annotated[
        str | None, typer.Option(metavar="COUNT:HASH", help="A head that was written down before; proves the tail too.")
    ] = None,
) -> None:
    """Walk the chain of the audit log and print its head, COUNT:HASH, to be written down elsewhere.

    Finds the first row that was changed, removed, inserted or moved. Rows cut off at the end, and a chain that somebody
    computed anew, are found only against a head written down before (--expect).

    Exit code: 0 the log is as it was written, 1 it is not, 2 it could not be read.
    """
    from services.vendor.store.audit import Broken, Head

    expected = None
    if expect is not None:
        found = _HEAD.fullmatch(expect.strip().lower())
        if found is None:
            raise _ended(EXIT_NOT_VERIFIED, "--expect: write the head as it was printed, COUNT:HASH")
        expected = Head(int(found[1]), bytes.fromhex(found[2]))
    with asking_database("vendor", EXIT_NOT_VERIFIED):
        outcome = asyncio.run(_walk(database, expected))
    if isinstance(outcome, Broken):
        raise _ended(EXIT_BROKEN, f"row {outcome.seq} {outcome.why}")
    typer.echo(f"{outcome.rows}:{outcome.hash.hex()}")


async def _walk(dsn: str, expected: "Head | None") -> "Head | Broken":
    from services.vendor.store.audit import count_entries, verify_chain
    from shared.db import open_database

    database = await open_database(dsn, size=1, name="lapak-audit")
    try:
        async with database.read() as conn:
            return await _shown(verify_chain(conn, expected), await count_entries(conn))
    finally:
        await database.pool.close()


async def _shown(steps: "AsyncIterator[Head | Broken]", rows: int) -> "Head | Broken":
    """The last step, with a bar that moves at each."""
    from services.vendor.store.audit import BEGINNING, Head

    outcome: Head | Broken = Head(0, BEGINNING)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("verifying rows", total=rows)
        async for outcome in steps:
            if isinstance(outcome, Head):
                progress.update(task, completed=outcome.rows)
    return outcome


def _ended(code: int, said: str) -> typer.Exit:
    console.print(said, markup=False, highlight=False, soft_wrap=True)
    return typer.Exit(code)
