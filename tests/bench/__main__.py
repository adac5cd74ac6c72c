"""`python -m tests.bench`: measure the backbone against its limits on real servers, print a table, write a report."""

import json
import logging
import statistics
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Annotated, Any

import structlog
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from deploy.local import stack
from deploy.local.state import state_dir
from shared.service import spare_the_collector
from tests.bench import (
    answering,
    arriving,
    batching,
    commands,
    consuming,
    dispatching,
    idling,
    importing,
    matching,
    observing,
    overloading,
    recovering,
    relaying,
    rivalling,
    seating,
    sending,
    solving,
    tutorial,
)
from tests.bench.measure import Comparison, Context, machine, versions

STACK = "bench"
ROUNDS = 5
ROUNDS_QUICK = 3
WIDTH = 140
MEASUREMENTS: dict[str, Callable[[Context], Sequence[Comparison]]] = {
    "memory": idling.measure,  # first: other measurements leave events on the topics that services read
    "sending": sending.measure,  # early too: its notify reads the topics
    "commands": commands.measure,
    "relay": relaying.measure,
    "consume": consuming.measure,
    "guard": consuming.measure_guard,
    "batches": batching.measure,
    "import": importing.measure,
    "dispatch": dispatching.measure,
    "tutorial": tutorial.measure,
    "relay-outbox": rivalling.measure,
    "telemetry": observing.measure,
    "http": answering.measure,
    "http-registry": answering.measure_registry,
    "latency": arriving.measure,
    "overload": overloading.measure,
    "recovery": recovering.measure,
    "allocation": solving.measure,
    "allocation-flow": seating.measure,
    "matching": matching.measure,
    "broadcast": sending.measure_broadcast,
}
LONG = {"broadcast"}  # only when it is asked for


def run(
    quick: Annotated[bool, typer.Option("--quick", help="Three rounds of half the size instead of five.")] = False,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="NAME", help=f"One of {', '.join(MEASUREMENTS)}; repeatable.")
    ] = None,
    name: Annotated[
        str, typer.Option("--stack", help="Name of the stack to start; runs at the same time need two.")
    ] = STACK,
) -> None:
    """Measure Lapak against its limits. Exit code 1 when something could not be measured; a missed aim is no error."""
    names = only or [name for name in MEASUREMENTS if name not in LONG]
    if unknown := sorted(set(names) - set(MEASUREMENTS)):
        raise typer.BadParameter(f"no such measurement: {', '.join(unknown)}; there are {', '.join(MEASUREMENTS)}")
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH)  # a table in a log keeps its lines
    _quieten()
    spare_the_collector()  # as a service that begins: for both sides of what is measured in this process
    host = machine()
    try:
        console.print("starting PostgreSQL and Kafka for the measurements")
        running = stack.start(name, fresh=True, on_progress=lambda line: console.print(f"  {line}", highlight=False))
        parts = versions(running)
        rounds = ROUNDS_QUICK if quick else ROUNDS
        done, failed = _measure_all(console, running, names, rounds, quick=quick)
    except stack.StackError as error:
        console.print(f"[red]{error}[/red]")
        raise typer.Exit(1) from error
    finally:
        with suppress(stack.StackError):
            stack.stop(name)
    report = {
        "machine": {**host, "load_after": machine()["load"]},
        "versions": parts,
        "rows": [comparison.row() for comparison in done],
    }
    path = state_dir(name) / "report.json"
    path.write_text(json.dumps(report, indent=2) + "\n")
    _print(console, report, done)
    console.print(f"report: {path.relative_to(path.parents[2])}", highlight=False)
    for what, reason in failed.items():
        console.print(f"[red]not measured: {what}: {reason}[/red]")
    raise typer.Exit(1 if failed else 0)


def _quieten() -> None:
    """Errors only: the parts' remarks on their starting and stopping would tear the progress."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)


def _measure_all(
    console: Console, running: stack.Running, names: Sequence[str], rounds: int, *, quick: bool
) -> tuple[list[Comparison], dict[str, str]]:
    """What was measured, and why the rest was not."""
    done: list[Comparison] = []
    failed: dict[str, str] = {}
    columns = (TextColumn("{task.description:<12}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        for name in MEASUREMENTS:
            if name not in names:
                continue
            task = progress.add_task(name, total=rounds + 1)
            context = Context(running, rounds, quick, partial(progress.advance, task))
            try:
                done += MEASUREMENTS[name](context)
            except Exception as error:  # noqa: BLE001 - the edge: named at the end, and the others are still measured
                failed[name] = f"{type(error).__name__}: {error}"
    return done, failed


def _print(console: Console, report: dict[str, Any], done: Sequence[Comparison]) -> None:
    host, parts = report["machine"], report["versions"]
    console.print(
        f"{host['processor']}, {host['cores']} cores, {host['memory_mb']} MB, "
        f"load {host['load']} before and {host['load_after']} after; "
        f"{parts['broker']}; {parts['database']}; Python {parts['python']}",
        highlight=False,
    )
    table = Table()
    for heading in ("what", "ours", "limit", "unit", "ratio", "spread", "aim", ""):
        words = heading in ("what", "unit", "")
        table.add_column(heading, justify="left" if words else "right", no_wrap=heading != "what")
    for one in done:
        low, high = one.spread
        table.add_row(
            one.name,
            f"{statistics.median(one.ours):,.{one.digits}f}",
            f"{statistics.median(one.limit):,.{one.digits}f}",
            one.unit,
            f"{one.ratio:.2f}",
            f"{low:.2f}-{high:.2f}",
            f"{'>=' if one.better == 'higher' else '<='} {one.aim:g}",
            "[green]met[/green]" if one.met else "[yellow]missed[/yellow]",
        )
    console.print(table)


if __name__ == "__main__":
    typer.run(run)
