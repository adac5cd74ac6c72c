"""`lapak rotate-keys`: seal anew what older keys sealed, so that they can be taken out of use."""

import asyncio
from functools import partial
from importlib import import_module
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from services import SERVICES
from services.bazaar.keys import COLUMNS as COLUMNS_OF_BAZAARS
from services.notify.keys import COLUMNS as COLUMNS_OF_NOTIFY
from services.training.keys import COLUMNS as COLUMNS_OF_TRAINING
from services.vendor.keys import COLUMNS, KeysInUse, reindex, require_held
from shared.clock import Clock
from shared.command_doors import asking_database
from shared.crypto import Sealer, UnknownKey
from shared.db import open_database
from shared.resealing import DEAD_LETTERS, reseal
from shared.service import Platform
from shared.settings import ServiceSettings

__all__ = ["rotate_keys"]

EXIT_NOT_DONE = 1
EXIT_WRONG_ARGUMENT = 2

COLUMNS_OF = {
    "vendor": COLUMNS,
    "bazaar": COLUMNS_OF_BAZAARS,
    "training": COLUMNS_OF_TRAINING,
    "notify": COLUMNS_OF_NOTIFY,
}
console = Console(stderr=True)


def rotate_keys(
    name: Annotated[str, typer.Argument(metavar="SERVICE", help="vendor, bazaar, training or notify.")],
    index: Annotated[
        bool,
        typer.Option("--reindex", help="Also make the blind indexes of NIK anew; the vendor service must be stopped."),
    ] = False,
) -> None:
    """Seal every value and file anew with the first of the keys; the service may run meanwhile.

    Run it with the service's own variables. Before: put a new key in front in LAPAK_SECRET_KEYS and restart the
    service. After: it says which keys may go. The last key of the registry also makes the blind indexes of NIK:
    `--reindex` lets the first key do that. Cut off, the command is given again. Exit code: 0 done, 1 not done, 2 wrong
    argument.
    """
    if name not in SERVICES:
        raise _ended(EXIT_WRONG_ARGUMENT, f"There is no service {name!r}; there are {', '.join(SERVICES)}.")
    if index and name != "vendor":
        raise _ended(EXIT_WRONG_ARGUMENT, "--reindex: only the vendor service has blind indexes.")
    settings: ServiceSettings = import_module(f"services.{name}.app").create().settings
    try:
        with asking_database(name, EXIT_NOT_DONE):
            asyncio.run(_rotate(name, settings, index=index))
    except (UnknownKey, KeysInUse) as error:
        raise _ended(EXIT_NOT_DONE, str(error)) from error
    except OSError as error:
        raise _ended(EXIT_NOT_DONE, f"LAPAK_FILES: {error}. Make it answer, then give the command again.") from error


def _ended(code: int, said: str) -> typer.Exit:
    _say(said)
    return typer.Exit(code)


def _say(line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)


def _show(progress: Progress, task: TaskID, done: int) -> None:
    progress.update(task, completed=done)


async def _rotate(name: str, settings: ServiceSettings, *, index: bool) -> None:
    sealer = Sealer(settings.secret_keys)
    database = await open_database(settings.database, size=2, name="lapak-rotate-keys")
    try:
        if name == "vendor":
            await require_held(database, sealer)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, console=console) as progress:
            for column in (*COLUMNS_OF.get(name, ()), DEAD_LETTERS):
                task = progress.add_task(f"sealing {column.name}", total=None)
                count = await reseal(database, sealer, column, partial(_show, progress, task))
                progress.update(task, total=count, completed=count)
            if name == "vendor":
                await _reseal_files(Platform(name, settings, database, Clock(), sealer), progress)
            if index:
                task = progress.add_task("indexing NIK", total=None)
                count = await reindex(database, settings.secret_keys, partial(_show, progress, task))
                progress.update(task, total=count, completed=count)
    finally:
        await database.pool.close()
    _say(_ending(name, sealer.current, [key for key in settings.secret_keys if key != sealer.current], index=index))


async def _reseal_files(platform: Platform, progress: Progress) -> None:
    from shared.files.storage import reseal_files  # its libraries are heavy, and three services of four lack them

    task, count, last = progress.add_task("sealing files", total=None), 0, None
    while batch := await reseal_files(platform, last):
        last, count = batch[-1], count + len(batch)
        progress.update(task, completed=count)
    progress.update(task, total=count, completed=count)


def _ending(name: str, current: str, others: list[str], *, index: bool) -> str:
    """What may go now."""
    if not others:
        return f"Everything is sealed with {current}."
    if index:
        return f"Everything is sealed and indexed with {current}; take {', '.join(others)} out before the next start."
    if name == "vendor":
        gone = f"{', '.join(others[:-1])} may go; " if others[:-1] else ""
        return f"Everything is sealed with {current}; {gone}{others[-1]} still makes the blind indexes (--reindex)."
    return f"Everything is sealed with {current}; {', '.join(others)} may go."
