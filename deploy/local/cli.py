"""Commands of the local stack: up, down, status, clock, demo."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from services import SERVICES
from shared.clock import JAKARTA

__all__ = ["register"]

console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
errors = Console(stderr=True, highlight=False, soft_wrap=True)
LOCAL = "local"


def register(app: typer.Typer) -> None:
    """Add the commands to the `lapak` command."""
    for command in (up, down, status, env, clock, demo):
        app.command()(command)


@contextmanager
def _told() -> Iterator[None]:
    """A failure of the stack is a message for a person and exit code 1."""
    from deploy.local.processes import StackError

    try:
        yield
    except StackError as error:
        errors.print(str(error), style="bold red", markup=False)
        raise typer.Exit(1) from error


def _say(line: str) -> None:
    console.print(f"  {line}", markup=False, soft_wrap=True)


def up() -> None:
    """Start PostgreSQL, Kafka, the catchers of messages and the four services, and leave them running."""
    from deploy.local import services, stack

    with _told():
        console.print("starting the local stack (state and logs in var/local)")
        running = stack.start(LOCAL, on_progress=_say)
        addresses = services.start_services(running, all_channels=True, on_progress=_say)
    table = Table("what", "where", title="Lapak is up", title_justify="left")
    for name, url in addresses.urls.items():
        table.add_row(name, f"{url}/docs")
    table.add_row("mails", running.mail_url)
    table.add_row("phones", f"{running.providers_url}  (WhatsApp and SMS; answer as the people who have them)")
    table.add_row("Kafka", f"{running.kafka}  ({running.broker})")
    table.add_row("PostgreSQL", f"{running.database}; one database per service, DSNs: lapak status --dsn")
    console.print(table)
    console.print("a token to try it: [bold].venv/bin/lapak token officer-1 --role officer --area 31.71[/]")
    console.print("stop it with [bold]make down[/] (.venv/bin/lapak down); the data stays in var/local")


def down(name: Annotated[str, typer.Option("--stack", help="local, or demo after `demo --keep`.")] = LOCAL) -> None:
    """Stop what `up` started; the data stays in var/."""
    from deploy.local import stack
    from deploy.local.state import state_dir

    with _told():
        if name != LOCAL and not state_dir(name).exists():
            raise stack.StackError(f"There is no stack {name!r} here: nothing in {state_dir(name)}.")
        stack.stop(name, on_progress=_say)
    console.print("everything is stopped")


def status(
    dsn: Annotated[
        bool, typer.Option("--dsn", help="Print the services' database DSNs (they hold passwords).")
    ] = False,
) -> None:
    """Show the processes of the local stack. Exit code 1 when one of them does not run, or none was started."""
    from deploy.local import stack

    with _told():
        processes = stack.status(LOCAL)
        running = stack.running(LOCAL)
        if dsn and running is None:
            errors.print("nothing runs; start it with `make up`")
            raise typer.Exit(1)
        if dsn and running is not None:
            for name, address in stack.provision(running).items():
                typer.echo(f"{name} {address}")
            return
    if not processes:
        console.print("nothing runs; start it with `make up`")
        raise typer.Exit(1)
    table = Table("process", "pid", "state", "address", "log")
    for process in processes:
        state = "[green]runs[/]" if process.alive else "[red]does not run[/]"
        table.add_row(process.name, str(process.pid), state, process.address or "", process.log)
    console.print(table)
    if not all(process.alive for process in processes):
        console.print("`make up` starts what is missing")
        raise typer.Exit(1)


def env(service: Annotated[str, typer.Argument(help="vendor, bazaar, training or notify.")]) -> None:
    """Print a service's settings as shell exports: eval "$(lapak env vendor)" lets you run its commands."""
    import shlex

    from deploy.local import services, stack

    if service not in SERVICES:
        errors.print(f"there is no service {service!r}; there are {', '.join(SERVICES)}", markup=False)
        raise typer.Exit(2)
    with _told():
        running = stack.running(LOCAL)
    if running is None:  # to stderr: the shell that reads our output would run it
        errors.print("nothing runs; start it with `make up`")
        raise typer.Exit(1)
    dsn = stack.provision(running)[service]
    for name, value in services.environment(running, service, dsn, services.port_of(running, service)).items():
        typer.echo(f"export {name}={shlex.quote(value)}")


def clock(
    moment: Annotated[
        str | None,
        typer.Argument(help="2023-03-20T09:00 (Jakarta time), or `now` for the real time; without it, show."),
    ] = None,
) -> None:
    """Show or set the development clock of the local stack's services."""
    from deploy.local import services, stack
    from shared.clock import Clock

    with _told():
        running = stack.running(LOCAL)
    if running is None:
        console.print("nothing runs; start it with `make up`")
        raise typer.Exit(1)
    if moment == "now":
        services.set_clock(running, None)
    elif moment is not None:
        try:
            parsed = datetime.fromisoformat(moment)
        except ValueError:
            console.print(f"{moment!r} is no moment; write it like 2023-03-20T09:00")
            raise typer.Exit(2) from None
        services.set_clock(running, parsed if parsed.tzinfo else parsed.replace(tzinfo=JAKARTA))
    shown = Clock(running.state_dir / "clock").now().astimezone(JAKARTA)
    console.print(f"{shown:%Y-%m-%d %H:%M:%S} WIB")


def demo(
    vendors: Annotated[int, typer.Option(min=400, max=20_000, help="How many vendors register.")] = 1200,
    seed: Annotated[int, typer.Option(help="Seed of the made-up people; the same seed, the same story.")] = 2023,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the stack running afterwards, to look around.")] = False,
    name: Annotated[str, typer.Option("--stack", help="Folder in var/ for its state, logs and report.")] = "demo",
) -> None:
    """Play the six-location bazaar of March 2023 end to end on real servers; exit code 0 if every promise held."""
    from deploy.local.demo import play

    if name == LOCAL:
        errors.print(f"--stack {LOCAL}: the demo would erase the data of `make up`; give it another name")
        raise typer.Exit(2)
    with _told():
        kept = play.play(name, vendors=vendors, seed=seed, keep=keep, console=console)
    raise typer.Exit(0 if kept else 1)
