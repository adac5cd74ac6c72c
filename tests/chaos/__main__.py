"""`python -m tests.chaos`: kill everything again and again under load, then account for every event."""

import asyncio
import json
import logging
import random
import shlex
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import Annotated, Any

import structlog
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from deploy.local import stack
from deploy.local.state import state_dir
from tests.chaos.checker import FAULTS
from tests.chaos.fleet import OUTSIDE
from tests.chaos.rehearsal import Asleep, prove_awake
from tests.chaos.storm import SERVICES, Outcome, rage

STACK = "chaos"
WIDTH = 140
FINDINGS_SHOWN_MAX = 40
LINE_EVERY_SECONDS = 20.0


def run(
    seed: Annotated[int | None, typer.Option(help="Repeats a run as far as a seed can; any when left out.")] = None,
    events: Annotated[int, typer.Option(min=100, help="Publish at least so many events.")] = 20_000,
    kills: Annotated[int, typer.Option(min=1, help="At least so many kill -9.")] = 100,
    minutes_max: Annotated[float, typer.Option(min=1, help="Give up after so long.")] = 30.0,
    name: Annotated[
        str, typer.Option("--stack", help="Name of the stack to start; runs at the same time need two.")
    ] = STACK,
) -> None:
    """Two instances of every service under load, killed again and again; then every event is accounted for.

    Exit code 1 when an event was lost, doubled or disordered, when fewer events or kills came than were asked for, or
    when the run did not finish. A seed fixes the load, who is killed from outside where in the load, and which start
    may die at which point with which chance; it cannot fix how the machine schedules processes and messages.
    """
    chosen = random.SystemRandom().randrange(1_000_000) if seed is None else seed
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH)
    _quieten()
    again = f"python -m tests.chaos --seed {chosen} --events {events} --kills {kills}"
    console.print(f"seed {chosen}; the same again: {again}", highlight=False)
    try:
        running = stack.start(name, fresh=True, on_progress=lambda line: console.print(f"  {line}", highlight=False))
        if running.broker_kind != "apache":
            raise stack.StackError(f"The broker is {running.broker}; crashes are proved on an Apache Kafka of our own.")
        outcome = asyncio.run(_storm(running, console, chosen, events, kills, minutes_max))
    except (stack.StackError, Asleep, TimeoutError) as error:
        console.print(f"[red]{type(error).__name__}: {error or f'not finished within {minutes_max:g} minutes'}[/red]")
        raise typer.Exit(1) from error
    finally:
        with suppress(stack.StackError):
            stack.stop(name)
    wrong = _show(console, outcome, events, kills)
    path = state_dir(name) / "report.json"
    report = {"broker": running.broker, "database": running.database, **_report(outcome)}
    path.write_text(json.dumps(report, indent=2) + "\n")
    console.print(f"report: {path.relative_to(path.parents[2])}", highlight=False)
    if wrong:
        console.print(f"[red]not proved; the same again: {shlex.quote(again)}[/red]", highlight=False)
    raise typer.Exit(1 if wrong else 0)


async def _storm(
    running: stack.Running, console: Console, seed: int, events: int, kills: int, minutes_max: float
) -> Outcome:
    planted = await prove_awake(running)
    console.print(f"the checker is awake: of {len(planted)} findings planted it reported each, and no other")
    columns = (TextColumn("{task.description:<24}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        tasks: dict[str, TaskID] = {}
        last = 0.0

        def tell(what: str, done: int, total: int) -> None:
            nonlocal last
            step = what.partition(": ")[0]
            if step not in tasks:
                tasks[step] = progress.add_task(step, total=total or None)
            progress.update(tasks[step], completed=done, description=what)
            if not console.is_terminal and time.monotonic() - last > LINE_EVERY_SECONDS:
                last = time.monotonic()
                console.print(f"  {what}: {done} of {total}" if total else f"  {what}", highlight=False)

        async with asyncio.timeout(minutes_max * 60):
            return await rage(running, seed=seed, events=events, kills=kills, tell=tell)


def _quieten() -> None:
    """Errors only: the parts' remarks on their starting and stopping would tear the progress."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)


def _show(console: Console, outcome: Outcome, events: int, kills: int) -> bool:
    """Print the tables; True when something is wrong."""
    inside = {point: count for point, count in outcome.kills.items() if point != OUTSIDE}
    table = Table(show_header=False)
    table.add_column("what")
    table.add_column("figure", justify="right")
    for what, figure in _figures(outcome).items():
        table.add_row(what, figure)
    console.print(table)
    console.print("kills by point: " + ", ".join(f"{p} {n}" for p, n in sorted(inside.items())), highlight=False)
    if outcome.errors:
        errors = ", ".join(f"{what} {count}" for what, count in sorted(outcome.errors.items()))
        console.print(f"logged as errors: {errors}", highlight=False)
    for finding in outcome.findings[:FINDINGS_SHOWN_MAX]:
        console.print(f"[red]{finding}[/red]", highlight=False, soft_wrap=True)
    if len(outcome.findings) > FINDINGS_SHOWN_MAX:
        console.print(f"[red]... {len(outcome.findings)} in all, in the report[/red]")
    few = outcome.events < events or outcome.kills.total() < kills
    if few:
        console.print("[red]fewer events or kills than asked for[/red]")
    return few or bool(outcome.findings)


def _figures(outcome: Outcome) -> Mapping[str, str]:
    faults = outcome.faults()
    lost = faults["lost"] + faults["effect lost"] + faults["not told"]
    doubled = faults["doubled"] + faults["effect doubled"] + faults["told twice"]
    rest = {fault: count for fault, count in faults.items() if fault in FAULTS and count}
    return {
        "events published": f"{outcome.events:,}",
        "kills": f"{outcome.kills.total()}",
        "  at failpoints": f"{outcome.kills.total() - outcome.kills[OUTSIDE]}",
        "  from outside": f"{outcome.kills[OUTSIDE]}",
        "duplicates in the log, each refused": f"{sum(outcome.duplicates.values()):,}",
        "requests asked again": f"{outcome.load['requests asked again']:,}",
        "messages of unknown fate, listed": f"{len(outcome.unknown):,} of {outcome.load['messages']:,}",
        **{what: f"{count:,}" for what, count in sorted(outcome.ways.items())},
        "lost": f"{lost}",
        "disordered or a gap": f"{faults['disordered']}",
        "doubled": f"{doubled}",
        "findings in all": ", ".join(f"{fault} {count}" for fault, count in rest.items()) or "0",
        "seconds of storm": f"{outcome.seconds['storm']:.0f}",
        "seconds to catch up": f"{outcome.seconds['catch-up']:.0f}",
    }


def _report(outcome: Outcome) -> dict[str, Any]:
    return {
        **asdict(outcome),
        "kills": outcome.kills,
        "faults": outcome.faults(),
        "services": SERVICES,
        "findings": [finding._asdict() for finding in outcome.findings],
        "unknown": [one._asdict() for one in outcome.unknown],
    }


if __name__ == "__main__":
    typer.run(run)
