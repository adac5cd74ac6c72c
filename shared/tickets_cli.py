"""`lapak ticket`: check a signed ticket with nothing but the published keys, and no network."""

import json
from pathlib import Path
from typing import Annotated

import typer

from shared.command_files import read_bytes, refuse
from shared.errors import Refused
from shared.malformed import parse_json
from shared.tickets import read_keys, read_ticket

__all__ = ["app"]

EXIT_REFUSED = 1

app = typer.Typer(help="Signed tickets.", no_args_is_help=True)


@app.callback()
def ticket() -> None:
    """Signed tickets."""


@app.command()
def verify(
    text: Annotated[str, typer.Argument(metavar="TICKET", help="What the QR code holds: LPK1:...")],
    keys: Annotated[Path, typer.Option(help="File with the published keys, as GET /v1/tickets/keys gives them.")],
) -> None:
    """Say what a ticket says, as JSON, if one of these keys signed it.

    Whether it still counts (the highest serial, the booth not given back) only the service knows. Exit code: 0 genuine,
    1 refused, 2 wrong argument.
    """
    raw = read_bytes(keys)
    try:
        published = read_keys(parse_json(raw, "file of keys"))
    except ValueError as error:
        refuse(f"--keys: {keys} holds no published keys, as GET /v1/tickets/keys gives them: {error}")
    try:
        found = read_ticket(text, published)
    except Refused as error:
        typer.echo(f"{error.code}: {error.message}", err=True)
        raise typer.Exit(EXIT_REFUSED) from error
    shown = {
        "kind": found.kind,
        "subject": str(found.subject),
        "event": str(found.event),
        "place": found.place,
        "spot": found.spot,
        "days": [day.isoformat() for day in found.days],
        "serial": found.serial,
    }
    typer.echo(json.dumps(shown))
