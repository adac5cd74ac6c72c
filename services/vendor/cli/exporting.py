"""`lapak vendors export`: write the vendors of an officer's area into a sheet, over HTTP."""

import os
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from shared.command_doors import address, bearer, refusal

__all__ = ["export_file"]

EXIT_NOT_STARTED = 2
EXIT_CUT_OFF = 3
ROWS_HEADER = "Lapak-Rows"
OWNER_ONLY = 0o600

console = Console(stderr=True)


def export_file(
    file: Annotated[Path, typer.Argument(help="CSV file to write; it must not exist yet.")],
    token: Annotated[str, typer.Option(envvar="LAPAK_TOKEN", help="Bearer token of an officer.", callback=bearer)],
    area: Annotated[str | None, typer.Option(help="Area inside the officer's own, for example 31.71.02.")] = None,
    category: Annotated[str | None, typer.Option(help="Product category, for example food-drink.")] = None,
    agency: Annotated[str | None, typer.Option(help="Coaching agency, for example ppkukm.")] = None,
    kind: Annotated[str | None, typer.Option(help="pemula or usaha.")] = None,
    origin: Annotated[str | None, typer.Option(help="self, officer, service or file.")] = None,
    state: Annotated[str | None, typer.Option(help="active, suspended or merged.")] = None,
    registered_from: Annotated[str | None, typer.Option(metavar="DAY", help="For example 2023-01-31.")] = None,
    registered_until: Annotated[str | None, typer.Option(metavar="DAY", help="The last day that counts.")] = None,
    name: Annotated[str | None, typer.Option(help="Words of the name, or how they begin.")] = None,
    reveal: Annotated[
        str | None,
        typer.Option(
            metavar="REASON",
            help="For a registrar: nothing is masked, and the audit log notes it with this reason: asked-by-person, "
            "to-reach-person, identity-check, to-decide, complaint or legal-order.",
        ),
    ] = None,
    reference: Annotated[str | None, typer.Option(help="With --reveal: number of the letter or case.")] = None,
    url: Annotated[
        str, typer.Option(envvar="LAPAK_VENDOR_URL", help="Address of the vendor service.", callback=address)
    ] = "http://127.0.0.1:8101",
) -> None:
    """Write vendors into a CSV file that sheet programs open and `lapak vendors import` reads. Filters combine.

    What is personal is masked, unless a registrar gives a reason. FILE can be read by you alone.

    Exit code: 0 the file is there and whole, 2 nothing was begun, 3 the connection broke on the way: no file is left.
    """
    if reference is not None and reveal is None:
        raise _ended(EXIT_NOT_STARTED, "--reference: belongs to --reveal")
    if file.exists():
        raise _ended(EXIT_NOT_STARTED, f"{file} exists; remove it or name another file.")
    filters = {
        "area": area,
        "category": category,
        "agency": agency,
        "kind": kind,
        "origin": origin,
        "state": state,
        "registered_from": registered_from,
        "registered_until": registered_until,
        "name": name,
        "reveal": None if reveal is None else {"reason": reveal, "reference": reference},
    }
    body = {field: value for field, value in filters.items() if value is not None}
    draft = file.with_name(f".{file.name}.{os.getpid()}.part")
    headers = {"Authorization": f"Bearer {token}"}
    try:
        with httpx.Client(base_url=url, headers=headers, timeout=httpx.Timeout(10, read=120)) as client:
            rows = _receive(client, body, draft)
        draft.replace(file)
    except httpx.TransportError as error:
        begun = draft.exists()
        said = f"The connection to {url} broke" if begun else f"{url} does not answer"
        raise _ended(EXIT_CUT_OFF if begun else EXIT_NOT_STARTED, f"{said} ({type(error).__name__}).") from error
    except OSError as error:
        raise _ended(EXIT_NOT_STARTED, f"{file} cannot be written: {error.strerror}.") from error
    finally:
        draft.unlink(missing_ok=True)
    warning = "" if reveal is None else " They stand there in full: keep the file safe, and no longer than needed."
    _say(f"{rows} vendors are in {file}.{warning}")


def _receive(client: httpx.Client, body: dict[str, Any], draft: Path) -> int:
    """Write the answer into a file as it comes; how many rows it has."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with client.stream("POST", "/v1/vendors/export.csv", json=body) as answer:
        if ROWS_HEADER not in answer.headers:
            answer.read()
            raise _ended(EXIT_NOT_STARTED, refusal(answer))
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
        with os.fdopen(descriptor, "wb") as written, Progress(*columns, console=console) as progress:
            task = progress.add_task("writing rows", total=int(answer.headers[ROWS_HEADER]))
            lines = 0
            for piece in answer.iter_bytes():
                written.write(piece)
                lines += piece.count(b"\n")
                progress.update(task, completed=max(0, lines - 1))
    return lines - 1


def _say(line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)


def _ended(code: int, said: str) -> typer.Exit:
    _say(said)
    return typer.Exit(code)
