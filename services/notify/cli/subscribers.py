"""`lapak notify subscribers`: systems that are told of our events by signed webhooks."""

from typing import Annotated
from uuid import UUID

import typer

from services.notify.cli.asking import NOTIFY_URL, AsJson, Limit, Token, Url, asking, say, show, show_rows

__all__ = ["app"]

app = typer.Typer(help="Systems that are told of our events.", no_args_is_help=True)

Subscriber = Annotated[UUID, typer.Argument(metavar="ID", help="Id of the subscriber.")]


@app.callback()
def subscribers() -> None:
    """Systems that are told of our events."""


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="Which system it is.")],
    address: Annotated[str, typer.Argument(metavar="URL", help="Where it is told: https and public.")],
    types: Annotated[list[str], typer.Option("--type", help="An event it is told of; may be repeated.")],
    token: Token,
    url: Url = NOTIFY_URL,
    as_json: AsJson = False,
) -> None:
    """Tell a system from now on. Its secret is shown once."""
    with asking(url, token) as office:
        found = office.post("/subscribers", {"name": name, "url": address, "types": types})
    show(found, as_json=as_json)
    say("This secret is not shown again.")


@app.command("list")
def list_subscribers(token: Token, limit: Limit = 50, url: Url = NOTIFY_URL, as_json: AsJson = False) -> None:
    """Subscribers, and how they do."""
    with asking(url, token) as office:
        rows = office.rows("/subscribers", limit)
    columns = ("subscriber_id", "name", "url", "state", "due", "given_up", "last_code", "failing_since")
    show_rows(rows, columns, as_json=as_json, nothing="There is no subscriber.")


@app.command()
def deliveries(
    subscriber: Subscriber,
    token: Token,
    state: Annotated[str, typer.Option(help="due, delivered or given-up.")] = "given-up",
    limit: Limit = 50,
    url: Url = NOTIFY_URL,
    as_json: AsJson = False,
) -> None:
    """What it was told, is owed, or was given up."""
    with asking(url, token) as office:
        rows = office.rows(f"/subscribers/{subscriber}/deliveries", limit, state=state)
    columns = ("event_id", "type", "subject", "occurred_at", "state", "tries", "code")
    show_rows(rows, columns, as_json=as_json, nothing="There is none.")


@app.command()
def pause(subscriber: Subscriber, token: Token, url: Url = NOTIFY_URL) -> None:
    """Deliver nothing until it is resumed."""
    _act(subscriber, "pause", token, url)


@app.command()
def resume(subscriber: Subscriber, token: Token, url: Url = NOTIFY_URL) -> None:
    """Deliver again, what waited too."""
    _act(subscriber, "resume", token, url)


@app.command()
def remove(subscriber: Subscriber, token: Token, url: Url = NOTIFY_URL) -> None:
    """Tell it no more."""
    _act(subscriber, "remove", token, url)


@app.command("rotate-secret")
def rotate_secret(subscriber: Subscriber, token: Token, url: Url = NOTIFY_URL, as_json: AsJson = False) -> None:
    """A new secret, shown once; for a day both sign."""
    with asking(url, token) as office:
        found = office.post(f"/subscribers/{subscriber}/rotate-secret")
    show(found, as_json=as_json)


@app.command()
def replay(
    subscriber: Subscriber,
    since: Annotated[str, typer.Option(help="From when on, as in 2026-03-01T00:00+07:00.")],
    token: Token,
    url: Url = NOTIFY_URL,
    as_json: AsJson = False,
) -> None:
    """Tell again what happened since then, under the same ids."""
    with asking(url, token) as office:
        found = office.post(f"/subscribers/{subscriber}/replay", {"since": since})
    show(found, as_json=as_json)


@app.command()
def ping(subscriber: Subscriber, token: Token, url: Url = NOTIFY_URL, as_json: AsJson = False) -> None:
    """Send an event that tells nothing, to try the address and the secret."""
    with asking(url, token) as office:
        found = office.post(f"/subscribers/{subscriber}/ping")
    show(found, as_json=as_json)


def _act(subscriber: UUID, act: str, token: str, url: str) -> None:
    with asking(url, token) as office:
        office.post(f"/subscribers/{subscriber}/{act}")
    say("done")
