"""How the commands of notify ask the service, and how they show what it answers."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn
from uuid import uuid4

import httpx
import typer
from rich.console import Console
from rich.table import Table

from shared.clock import JAKARTA
from shared.command_doors import address, bearer, read_answer

__all__ = [
    "EXIT_CUT_OFF",
    "EXIT_NOT_STARTED",
    "EXIT_REFUSED",
    "NOTIFY_URL",
    "AsJson",
    "Limit",
    "Office",
    "Reason",
    "Token",
    "Url",
    "asking",
    "in_words",
    "refuse",
    "say",
    "show",
    "show_rows",
]

EXIT_REFUSED = 1
EXIT_NOT_STARTED = 2
EXIT_CUT_OFF = 3
NOTIFY_URL = "http://127.0.0.1:8104"

Token = Annotated[
    str,
    typer.Option(
        envvar="LAPAK_TOKEN", help="Bearer token of an operator; for broadcasts of an officer.", callback=bearer
    ),
]
Url = Annotated[str, typer.Option(envvar="LAPAK_NOTIFY_URL", help="Address of the notify service.", callback=address)]
AsJson = Annotated[bool, typer.Option("--json", help="Answer as JSON, for other programs.")]
Reason = Annotated[str, typer.Option(help="Why; it is kept.")]
Limit = Annotated[int, typer.Option(min=1, max=10_000, help="How many to show at most.")]

PAGE_ROWS = 200
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
console = Console(stderr=True)


def say(line: str) -> None:
    """A line for people, on stderr."""
    console.print(line, markup=False, highlight=False, soft_wrap=True)


def refuse(line: str) -> NoReturn:
    """End the command before anything was asked."""
    say(line)
    raise typer.Exit(EXIT_NOT_STARTED)


class Office:
    """The service, asked with a token."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def get(self, path: str, **query: Any) -> Any:
        """What is there; ends the command where it is refused."""
        return self._ask("GET", path, params={name: value for name, value in query.items() if value is not None})

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Have something done, once."""
        return self._ask("POST", path, json=body, headers={"Idempotency-Key": str(uuid4())})

    def post_file(self, path: str, file: Path) -> Any:
        """Give the service a file, once."""
        try:
            content = file.read_bytes()
        except OSError as error:
            refuse(f"{file} cannot be read: {error.strerror}.")
        return self._ask("POST", path, files={"file": (file.name, content)}, headers={"Idempotency-Key": str(uuid4())})

    def rows(self, path: str, limit: int, **query: Any) -> list[dict[str, Any]]:
        """The first rows of a long list, over as many pages as it takes."""
        found: list[dict[str, Any]] = []
        after = None
        while len(found) < limit:
            page = self.get(path, after=after, limit=min(PAGE_ROWS, limit - len(found)), **query)
            found += page["items"]
            after = page["next"]
            if after is None:
                break
        return found

    def _ask(self, method: str, path: str, **how: Any) -> Any:
        return read_answer(self._client.request(method, f"/v1{path}", **how), EXIT_REFUSED)


@contextmanager
def asking(url: str, token: str) -> Iterator[Office]:
    """The service at this address; what goes wrong on the way ends the command with a sentence."""
    try:
        headers = {"Authorization": f"Bearer {token}"}
        with httpx.Client(base_url=url, headers=headers, timeout=httpx.Timeout(10, read=60)) as client:
            yield Office(client)
    except httpx.ConnectError:
        refuse(f"{url} does not answer. Is it the address of the notify service, and up?")
    except httpx.TransportError as error:
        say(f"The connection broke ({type(error).__name__}). Look what came of it before you give the command again.")
        raise typer.Exit(EXIT_CUT_OFF) from error


def show(found: Any, *, as_json: bool) -> None:
    """One thing: its fields below each other; what is empty is left out."""
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False))
        return
    for line in _lines(found, 0):
        typer.echo(line)


def _lines(found: Any, depth: int) -> Iterator[str]:
    indent = "  " * depth
    if isinstance(found, dict):
        for name, value in found.items():
            if value is None or value == [] or value == {}:
                continue
            if isinstance(value, dict | list):
                yield f"{indent}{name}:"
                yield from _lines(value, depth + 1)
            elif isinstance(value, str) and "\n" in value.strip("\n"):
                yield f"{indent}{name}:"
                yield from (f"{indent}  | {line}".rstrip() for line in value.strip("\n").split("\n"))
            else:
                yield f"{indent}{name}: {in_words(value)}"
    elif isinstance(found, list):
        for value in found:
            if isinstance(value, dict | list):
                yield f"{indent}-"
                yield from _lines(value, depth + 1)
            else:
                yield f"{indent}- {in_words(value)}"
    else:
        yield f"{indent}{in_words(found)}"


def show_rows(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, as_json: bool, nothing: str) -> None:
    """Rows as a table of these columns, or in full as JSON."""
    if as_json:
        typer.echo(json.dumps(list(rows), ensure_ascii=False))
        return
    if not rows:
        say(nothing)
        return
    table = Table(*columns)
    for row in rows:
        table.add_row(*(in_words(row.get(name)) for name in columns))
    wide = Console(width=200, markup=False, emoji=False, highlight=False)  # what people wrote is no markup
    with wide.capture() as text:
        wide.print(table)
    typer.echo(text.get(), nl=False)


def in_words(value: Any) -> str:
    """A value as people read it; moments to the second, in Jakarta's time, as options take them too."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
    if isinstance(value, list):
        return ", ".join(in_words(one) for one in value)
    if isinstance(value, dict):
        return ", ".join(f"{name} {in_words(one)}" for name, one in value.items())
    if isinstance(value, str) and MOMENT.fullmatch(value):
        return datetime.fromisoformat(value).astimezone(JAKARTA).isoformat(timespec="seconds")
    return str(value)
