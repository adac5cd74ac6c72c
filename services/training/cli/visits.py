"""`lapak visits import`: the visits of a sheet that was kept without a network, over HTTP."""

import shutil
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID, uuid4

import httpx
import typer
from rich.console import Console

from shared.command_doors import address, bearer, read_answer

__all__ = ["app"]

EXIT_SOME_REJECTED = 1
EXIT_NOT_STARTED = 2
EXIT_CUT_OFF = 3
ROWS_SHOWN_MAX = 10

app = typer.Typer(help="Visits of mentors.", no_args_is_help=True)
console = Console(stderr=True)


@app.callback()
def visits() -> None:
    """Visits of mentors."""


@app.command("import")
def import_file(
    file: Annotated[
        Path,
        typer.Argument(help="CSV (UTF-8, separated by ; or ,), with the headings of GET /v1/visits/template.csv."),
    ],
    token: Annotated[
        str, typer.Option(envvar="LAPAK_TOKEN", help="Bearer token of the mentor, or an officer.", callback=bearer)
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Report what would happen, and log nothing.")] = False,
    mentor: Annotated[
        UUID | None, typer.Option(help="An officer says whose sheet it is, where its rows do not.")
    ] = None,
    url: Annotated[
        str, typer.Option(envvar="LAPAK_TRAINING_URL", help="Address of the training service.", callback=address)
    ] = "http://127.0.0.1:8102",
) -> None:
    """Log the visits of a sheet, each once. Rows that cannot be taken are written to FILE.rejected.csv, to be mended.

    A sheet that was cut off, or mended, is sent again with the same command: what is in the log stays as it is. Exit
    code: 0 all rows are in, 1 some were rejected, 2 nothing was begun, 3 the connection broke on the way.
    """
    parts = _cut(file)
    total = {"rows": 0, "logged": 0, "already": 0}
    rejected: list[dict[str, Any]] = []
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=url, headers=headers, timeout=httpx.Timeout(10, read=120, write=60)) as client:
        for number, (part, lines) in enumerate(parts):
            report = _send(client, file.name, part, dry_run=dry_run, mentor=mentor, begun=number > 0)
            for name in total:
                total[name] += report[name]
            rejected += [{**row, "line": lines[row["line"]]} for row in report["rejected"]]
    _show(total, rejected, dry_run=dry_run)
    if rejected:
        target = Path(f"{file}.rejected.csv")
        _write_rejected(file, target, rejected)
        _say(f"The rejected rows are in {target}; mend them there and import that file.")
        raise typer.Exit(EXIT_SOME_REJECTED)


def _say(line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)


def _ended(code: int, said: str) -> typer.Exit:
    _say(said)
    return typer.Exit(code)


def _cut(file: Path) -> list[tuple[bytes, dict[int, int]]]:
    """The parts of a sheet. Ends the command when it is no sheet of visits."""
    from services.training.visit_sheets import VisitSheetRefused, cut_sheet, read_visits

    try:
        parts = list(cut_sheet(file.read_bytes()))
        for part, _ in parts:
            read_visits(part)  # before the first is sent: a later one may be no sheet
    except OSError as error:
        raise _ended(EXIT_NOT_STARTED, f"{file} cannot be read: {error.strerror}.") from error
    except VisitSheetRefused as refused:
        raise _ended(EXIT_NOT_STARTED, f"{file}: {refused.message}") from refused
    if not parts:
        raise _ended(EXIT_NOT_STARTED, f"{file}: there is no row below the headings.")
    return parts


def _send(
    client: httpx.Client, name: str, part: bytes, *, dry_run: bool, mentor: UUID | None, begun: bool
) -> dict[str, Any]:
    try:
        answer = client.post(
            "/v1/visits/import",
            params={"dry_run": dry_run} | ({} if mentor is None else {"mentor_id": str(mentor)}),
            files={"file": (name, part, "text/csv")},
            # rows are known again by themselves; a key of its own would repeat an answer after the cause was mended
            headers={"Idempotency-Key": str(uuid4())},
        )
    except httpx.ConnectError as error:
        said = f"{client.base_url} does not answer. Is it the address of the training service, and up?"
        raise _ended(EXIT_CUT_OFF if begun else EXIT_NOT_STARTED, said) from error
    except httpx.TransportError as error:
        said = f"The connection broke ({type(error).__name__}). Give the same command again to go on."
        raise _ended(EXIT_CUT_OFF, said) from error
    report: dict[str, Any] = read_answer(answer, EXIT_CUT_OFF if begun else EXIT_NOT_STARTED)
    return report


def _show(total: dict[str, int], rejected: list[dict[str, Any]], *, dry_run: bool) -> None:
    verb = "would be logged" if dry_run else "logged"
    counts = f"{total['logged']} {verb}, {total['already']} were already, {len(rejected)} rejected"
    _say(f"{total['rows']} rows: {counts}.")
    for row in rejected[:ROWS_SHOWN_MAX]:
        for fault in row["problems"]:
            value = f" {fault['value']!r}" if fault["value"] else ""
            _say(f"line {row['line']}: {fault['field']}{value} {fault['reason']}; {fault['fix']}")
    if len(rejected) > ROWS_SHOWN_MAX:
        _say(f"and {len(rejected) - ROWS_SHOWN_MAX} rejected rows more")


def _write_rejected(file: Path, target: Path, rejected: list[dict[str, Any]]) -> None:
    """The rejected rows, in full, with what is wrong beside them; the file is as readable as the sheet itself."""
    from services.training.visit_sheets import rejected_rows

    text = rejected_rows(file.read_bytes(), {row["line"]: row["problems"] for row in rejected})
    with target.open("w", encoding="utf-8-sig", newline="") as written:
        shutil.copymode(file, target)
        written.write(text)
