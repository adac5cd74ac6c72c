"""`lapak rounds`: operators' proof that every stored round still gives the result that was published."""

import asyncio
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from services.bazaar.cli.files import EXIT_WRONG
from shared.command_doors import asking_database
from shared.command_doors import database as check_dsn
from shared.command_files import EXIT_NOT_READ

if TYPE_CHECKING:  # imported when a command runs, so that `lapak --help` is quick
    from services.bazaar.replaying import Replay

app = typer.Typer(help="Stored rounds of allocation.", no_args_is_help=True)
console = Console(stderr=True)


@app.callback()
def rounds() -> None:
    """Stored rounds of allocation."""


@app.command()
def replay(
    database: Annotated[
        str,
        typer.Option(envvar="LAPAK_DATABASE", help="DSN of the bazaar service's database.", callback=check_dsn),
    ],
    bazaar: Annotated[UUID | None, typer.Option(help="Only the rounds of this bazaar.")] = None,
) -> None:
    """Recompute every stored round from its stored bytes, and compare what comes out with what was published.

    Of each round: the hash of the frozen list and the root of its applicants; that the problem is the list with its
    seed; where officials drew the seed, that their secrets give it; that solving gives the result, byte for byte, and
    the verifier agrees. Nothing is written. A table of what differs goes to stdout.

    Exit code: 0 every round is as published, 1 some are not, 2 the database cannot be read.
    """
    with asking_database("bazaar", EXIT_NOT_READ):
        replays = asyncio.run(_replay(database, bazaar))
    wrong = [one for one in replays if one.findings]
    if wrong:
        typer.echo(_table(wrong))
        console.print(f"[red]not as published[/]: {len(wrong)} of {len(replays)} rounds.")
        raise typer.Exit(EXIT_WRONG)
    decided = sum(one.decided for one in replays)
    console.print(
        f"[green]as published[/]: rounds: {len(replays)}, decided: {decided}, "
        f"applicants in all: {sum(one.applicants for one in replays)}.",
        highlight=False,
    )


def _table(wrong: "list[Replay]") -> str:
    table = Table("bazaar", "round", "applicants", "differs")
    for one in wrong:
        table.add_row(str(one.bazaar_id), str(one.number), str(one.applicants), "\n".join(one.findings))
    capture = Console(width=160)
    with capture.capture() as text:
        capture.print(table)
    return text.get()


async def _replay(dsn: str, bazaar_id: UUID | None) -> "list[Replay]":
    from services.bazaar.replaying import replay_round
    from services.bazaar.store import ceremonies
    from services.bazaar.store import rounds as store
    from shared.db import open_database

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    replays = []
    database = await open_database(dsn, size=1, name="lapak-rounds")
    try:
        async with database.read() as conn:
            keys = await store.list_rounds(conn, bazaar_id)
        with Progress(*columns, console=console) as progress:
            task = progress.add_task("replaying rounds", total=len(keys))
            for key in keys:
                async with database.read() as conn:
                    found = await store.find_round(conn, *key)
                    attempts = await ceremonies.find_ceremonies(conn, *key)
                replays.append(await asyncio.to_thread(replay_round, found, attempts))
                progress.advance(task)
    finally:
        await database.pool.close()
    return replays
