"""`lapak notify broadcasts`: messages to many, for officers."""

import json
import time
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from services.notify.cli.asking import (
    NOTIFY_URL,
    AsJson,
    Limit,
    Reason,
    Token,
    Url,
    asking,
    console,
    refuse,
    say,
    show,
    show_rows,
)

__all__ = ["app"]

LOOK_SECONDS = 1.0
ENDED = ("stopped", "completed")

app = typer.Typer(help="Messages to many.", no_args_is_help=True)

Broadcast = Annotated[UUID, typer.Argument(metavar="ID", help="Id of the broadcast.")]


@app.callback()
def broadcasts() -> None:
    """Messages to many."""


@app.command("list")
def list_broadcasts(token: Token, limit: Limit = 50, url: Url = NOTIFY_URL, as_json: AsJson = False) -> None:
    """Broadcasts, newest first."""
    with asking(url, token) as office:
        rows = office.rows("/broadcasts", limit)
    columns = ("broadcast_id", "template", "state", "version", "recipients", "done", "drafted_by", "deadline")
    show_rows(rows, columns, as_json=as_json, nothing="There is no broadcast.")


@app.command("show")
def show_broadcast(
    broadcast: Broadcast,
    token: Token,
    follow: Annotated[bool, typer.Option("--follow", help="Show how far it is until it has ended.")] = False,
    url: Url = NOTIFY_URL,
    as_json: AsJson = False,
) -> None:
    """A broadcast: who did what, its forecast, how far it is, what it cost."""
    with asking(url, token) as office:
        found = office.get(f"/broadcasts/{broadcast}")
        if follow:
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            with Progress(*columns, console=console) as progress:
                task = progress.add_task("leaving", total=found["recipients"] or None)
                while found["state"] not in ENDED:
                    progress.update(task, description=found["state"], completed=found.get("done", 0))
                    time.sleep(LOOK_SECONDS)
                    found = office.get(f"/broadcasts/{broadcast}")
                progress.update(task, description=found["state"], completed=found.get("done", 0))
    show(found, as_json=as_json)


@app.command()
def plan(
    file: Annotated[Path, typer.Argument(help="A draft as JSON: template, params, areas, channels, deadline ...")],
    token: Token,
    url: Url = NOTIFY_URL,
    as_json: AsJson = False,
) -> None:
    """When a broadcast would be done, what it would cost, and what it would leave for offers. Nothing is kept."""
    try:
        draft: Any = json.loads(file.read_bytes())
    except OSError as error:
        refuse(f"{file} cannot be read: {error.strerror}.")
    except ValueError:
        refuse(f"{file} is no JSON.")
    with asking(url, token) as office:
        found = office.post("/broadcasts/plan", draft)
    show(found, as_json=as_json)


@app.command()
def approve(
    broadcast: Broadcast,
    version: Annotated[int, typer.Option(min=1, help="The version that you read (`show`).")],
    token: Token,
    url: Url = NOTIFY_URL,
    as_json: AsJson = False,
) -> None:
    """Agree to a broadcast that somebody else submitted: it begins."""
    with asking(url, token) as office:
        found = office.post(f"/broadcasts/{broadcast}/approve", {"version": version})
    show(found, as_json=as_json)


@app.command()
def pause(broadcast: Broadcast, reason: Reason, token: Token, url: Url = NOTIFY_URL, as_json: AsJson = False) -> None:
    """Hold what has not left."""
    _step(broadcast, "pause", reason, token, url, as_json)


@app.command()
def resume(broadcast: Broadcast, reason: Reason, token: Token, url: Url = NOTIFY_URL, as_json: AsJson = False) -> None:
    """Let it go on."""
    _step(broadcast, "resume", reason, token, url, as_json)


@app.command()
def stop(broadcast: Broadcast, reason: Reason, token: Token, url: Url = NOTIFY_URL, as_json: AsJson = False) -> None:
    """End it for good: what has not left never does."""
    _step(broadcast, "stop", reason, token, url, as_json)
    say("What was being handed over at this moment still leaves.")


def _step(broadcast: UUID, act: str, reason: str, token: str, url: str, as_json: bool) -> None:
    with asking(url, token) as office:
        found = office.post(f"/broadcasts/{broadcast}/{act}", {"reason": reason})
    show(found, as_json=as_json)
