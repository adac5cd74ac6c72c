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

app = typer.Typer(no_args_is_help=True)

Broadcast = Annotated[UUID, typer.Argument(metavar="ID", help="Id of the broadcast.")]


@app.callback()
def broadcasts() -> None:
    """Messages to many: `plan` a draft, keep it (`draft`), give it its people (`list-people`), `submit` it.

    To more people than one officer may decide about (the service's LAPAK_BROADCAST_APPROVAL_OVER) it then waits for a
    second officer of the area, who reads it and approves it with a token of its own; whoever drafted or submitted it
    cannot. Drafting and deciding are for officers; operators look, pause, resume and stop.

    Exit code of every command: 0 done, 1 refused by the service (it says why), 2 not started (a wrong argument, a file
    that cannot be read, or the service does not answer), 3 the connection broke on the way.
    """


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
    _show(found, as_json)


@app.command()
def plan(
    file: Annotated[Path, typer.Argument(help="A draft as JSON: template, params, areas, channels, deadline ...")],
    token: Token,
    url: Url = NOTIFY_URL,
    as_json: AsJson = False,
) -> None:
    """When a broadcast would be done, what it would cost, and what it would leave for offers. Nothing is kept."""
    wish = _read_draft(file)
    with asking(url, token) as office:
        found = office.post("/broadcasts/plan", wish)
    _show(found, as_json)


@app.command()
def draft(
    file: Annotated[Path, typer.Argument(help="A draft as JSON, as `plan` takes it.")],
    token: Token,
    url: Url = NOTIFY_URL,
    as_json: AsJson = False,
) -> None:
    """Keep a draft; prints its id. Nobody is told before it is submitted."""
    wish = _read_draft(file)
    with asking(url, token) as office:
        found = office.post("/broadcasts", wish)
    if as_json:
        show(found, as_json=True)
        return
    typer.echo(found["broadcast_id"])
    if wish.get("by_list"):
        say(f"It goes by a list: give it its people (`list-people {found['broadcast_id']} FILE`), then `submit` it.")


@app.command("list-people")
def list_people(
    broadcast: Broadcast,
    file: Annotated[Path, typer.Argument(help="A vendor's id at the beginning of each line: text or CSV.")],
    token: Token,
    url: Url = NOTIFY_URL,
    as_json: AsJson = False,
) -> None:
    """Give a draft that goes by a list its people; a list it had is replaced. Lines that name nobody are named."""
    with asking(url, token) as office:
        found = office.post_file(f"/broadcasts/{broadcast}/list-file", file)
    if as_json:
        show(found, as_json=True)
        return
    for one in found["nobodies"]:
        who = one["vendor_id"]
        say(f"line {one['line']}: " + ("holds no id" if who is None else f"{who} is nobody of its areas"))
    if (rest := found["nobodies_count"] - len(found["nobodies"])) > 0:
        say(f"and {rest} more lines that name nobody")
    say(f"{found['listed']} people, {found['repeated']} lines repeat somebody.")


@app.command()
def submit(broadcast: Broadcast, token: Token, url: Url = NOTIFY_URL, as_json: AsJson = False) -> None:
    """Fix its words and its people. To few it begins at once; else a second officer has to approve it."""
    with asking(url, token) as office:
        found = office.post(f"/broadcasts/{broadcast}/submit")
    if as_json:
        show(found, as_json=True)
    elif found["state"] == "submitted":
        say(f"To {found['recipients']} people: it waits for a second officer of the area, who reads it (`show`), then:")
        say(f"  lapak notify broadcasts approve {broadcast} --version {found['version']}")
        say("with a token of its own; whoever drafted or submitted it cannot.")
    else:
        say(f"To {found['recipients']} people: approved. `show {broadcast} --follow` shows when it leaves.")


@app.command()
def approve(
    broadcast: Broadcast,
    version: Annotated[int, typer.Option(min=1, help="The version that you read (`show`).")],
    token: Token,
    url: Url = NOTIFY_URL,
    as_json: AsJson = False,
) -> None:
    """Agree to a broadcast that somebody else drafted and submitted: it begins."""
    with asking(url, token) as office:
        found = office.post(f"/broadcasts/{broadcast}/approve", {"version": version})
    show(found, as_json=as_json)


@app.command()
def reject(broadcast: Broadcast, reason: Reason, token: Token, url: Url = NOTIFY_URL, as_json: AsJson = False) -> None:
    """Do not agree to it, or take it back: it is a draft again, and may be submitted anew."""
    _step(broadcast, "reject", reason, token, url, as_json)


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


def _show(found: dict[str, Any], as_json: bool) -> None:
    """With its forecast as people read it: no limit is said, and that it is never done."""
    if not as_json and found["forecast"] is not None:
        found["forecast"]["done_at"] = found["forecast"]["done_at"] or "never"
        for one in found["forecast"]["tiers"]:
            one["tier"] = one["tier"] or "unlimited"
            one["done_at"] = one["done_at"] or "never"
        for one in found["forecast"]["left_for_urgent"]:
            if one["people_a_day"] is None and one["rupiah_a_day"] is None:
                one["people_a_day"] = "unlimited"
    show(found, as_json=as_json)


def _read_draft(file: Path) -> dict[str, Any]:
    try:
        wish = json.loads(file.read_bytes())
    except OSError as error:
        refuse(f"{file} cannot be read: {error.strerror}.")
    except ValueError:
        refuse(f"{file} is no JSON.")
    if not isinstance(wish, dict):
        refuse(f'{file} is no draft: it holds a JSON object, as in {{"template": ..., "areas": [...]}}.')
    return wish


def _step(broadcast: UUID, act: str, reason: str, token: str, url: str, as_json: bool) -> None:
    with asking(url, token) as office:
        found = office.post(f"/broadcasts/{broadcast}/{act}", {"reason": reason})
    show(found, as_json=as_json)
