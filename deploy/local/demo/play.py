"""The demo from start to end: the stack, the story with progress, the report, the promises."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from deploy.local import messengers, services, stack
from deploy.local.demo import report
from deploy.local.demo.doors import Doors
from deploy.local.demo.phones import Phones
from deploy.local.demo.school import school_of
from deploy.local.demo.story import Story
from deploy.local.state import state_dir

__all__ = ["play"]


def play(name: str, *, vendors: int, seed: int, keep: bool, console: Console) -> bool:
    """Play the story on the stack `name` and write its report. True when every promise held; StackError on failure."""
    began = time.monotonic()
    console.rule("[bold]Lapak: the bazaar in six locations, March 2023 (all people are made up)")
    console.print(f"starting real servers; their state and logs are in {_shown(name)}")
    running = stack.start(name, fresh=True, on_progress=lambda line: console.print(f"  {line}", markup=False))
    try:
        addresses = services.start_services(
            running,
            all_channels=True,
            limits=messengers.TIME_LAPSE,
            on_progress=lambda line: console.print(f"  {line}", markup=False),
        )
        console.print(f"  what comes on the phones: {running.providers_url}, by mail: {running.mail_url}")
        started = time.monotonic()
        figures = asyncio.run(_story(running, addresses, vendors, seed, console))
        figures["seconds"] = {"start": round(started - began, 1), "story": round(time.monotonic() - started, 1)}
        figures["parts"] = {"broker": running.broker, "database": running.database}
        path = running.state_dir / "report.json"
        path.write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n")
        report.show(figures, console)
        console.print(f"figures: {_shown(name)}/{path.name}")
    finally:
        if keep:
            console.print(
                f"left running: phones {running.providers_url} (answer there as the people who have them), "
                f"mails {running.mail_url}; stop with: .venv/bin/lapak down --stack {name}"
            )
        else:
            console.print("stopping what was started")
            stack.stop(name)
    kept = all(figures["promises"].values())
    console.print(
        f"[bold green]every promise held[/] ({time.monotonic() - began:.0f} s)"
        if kept
        else f"[bold red]a promise was broken; see above and the logs in {_shown(name)}/logs[/]"
    )
    return kept


def _shown(name: str) -> str:
    folder = state_dir(name)
    return str(folder.relative_to(Path.cwd())) if folder.is_relative_to(Path.cwd()) else str(folder)


async def _story(
    running: stack.Running, addresses: services.Addresses, vendors: int, seed: int, console: Console
) -> dict[str, Any]:
    doors, phones = Doors(addresses.urls, services.issuer(running)), Phones(running.providers_url)
    try:
        with _bars(console) as progress:
            story = Story(running, doors, phones, progress, vendors=vendors, seed=seed)
            await phones.set_up(story, seed)
            await story.register()
            await phones.prefer_mail(story)
            await story.train()
            school = await school_of(story)
            march = await story.hold_bazaar_of_march()
            april = await story.allocate_april(march)
            return await report.gather(story, school, march, april)
    finally:
        await phones.close()
        await doors.close()


@contextmanager
def _bars(console: Console) -> Iterator[Progress]:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    # in a pipe bars would show only at the end: there a line tells of each step that is done
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        yield progress
