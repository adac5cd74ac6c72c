"""`lapak notify keys`: keys by which other systems send messages."""

from typing import Annotated
from uuid import UUID

import typer

from services.notify.cli.asking import NOTIFY_URL, AsJson, Limit, Token, Url, asking, refuse, say, show, show_rows

__all__ = ["app"]

app = typer.Typer(help="Keys by which other systems send messages.", no_args_is_help=True)

KINDS = ("normal", "team", "test")


@app.callback()
def keys() -> None:
    """Keys by which other systems send messages."""


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Which system it is for.")],
    kind: Annotated[str, typer.Option(help="normal; team: writes to the team only; test: reaches nobody.")],
    token: Token,
    topic: Annotated[str, typer.Option(help="What its messages are about; news needs the person's consent.")] = "news",
    url: Url = NOTIFY_URL,
    as_json: AsJson = False,
) -> None:
    """Make a key. It is shown once: keep it in the other system's safe."""
    if kind not in KINDS:
        refuse(f"--kind is one of {', '.join(KINDS)}.")
    with asking(url, token) as office:
        found = office.post("/keys", {"kind": kind, "name": name, "topic": topic})
    show(found, as_json=as_json)
    say("This key is not shown again.")


@app.command("list")
def list_keys(token: Token, limit: Limit = 50, url: Url = NOTIFY_URL, as_json: AsJson = False) -> None:
    """Keys, newest first, revoked ones too."""
    with asking(url, token) as office:
        rows = office.rows("/keys", limit)
    columns = ("key_id", "kind", "name", "topic", "created_by", "last_used_at", "revoked_at")
    show_rows(rows, columns, as_json=as_json, nothing="There is no key.")


@app.command()
def revoke(
    key: Annotated[UUID, typer.Argument(metavar="ID", help="key_id")], token: Token, url: Url = NOTIFY_URL
) -> None:
    """End a key at once. What was sent with it goes on."""
    with asking(url, token) as office:
        office.post(f"/keys/{key}/revoke")
    say("revoked")


@app.command()
def magic(token: Token, url: Url = NOTIFY_URL, as_json: AsJson = False) -> None:
    """Addresses that belong to nobody, and what becomes of messages to them that a test key sends."""
    with asking(url, token) as office:
        rows = office.get("/keys/magic")
    show_rows(rows, ("phone", "email", "meaning"), as_json=as_json, nothing="There is none.")
