"""`lapak vendors import`: register the people of a sheet, over HTTP."""

import hashlib
import shutil
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from shared.command_doors import address, bearer, read_answer

__all__ = ["import_file"]

EXIT_SOME_REJECTED = 1
EXIT_NOT_STARTED = 2
EXIT_CUT_OFF = 3
POLL_SECONDS = 0.3
ROWS_SHOWN_MAX = 10

COLUMNS = "nik, name, phone, kelurahan (its code), rw, rt; if you like street, email, kind, category, agency, language"

console = Console(stderr=True)


def import_file(
    file: Annotated[
        Path, typer.Argument(help=f"CSV (UTF-8, separated by ; or ,) or XLSX, with the headings {COLUMNS}.")
    ],
    token: Annotated[str, typer.Option(envvar="LAPAK_TOKEN", help="Bearer token of an officer.", callback=bearer)],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Report what would happen, and register nobody.")] = False,
    url: Annotated[
        str, typer.Option(envvar="LAPAK_VENDOR_URL", help="Address of the vendor service.", callback=address)
    ] = "http://127.0.0.1:8101",
) -> None:
    """Register the people of a sheet. Rows that cannot be taken are written to FILE.rejected.csv, ready to be mended.

    An import that was cut off goes on where it stopped when the same command is given again. Exit code: 0 all rows are
    in, 1 some were rejected, 2 nothing was begun, 3 the connection broke on the way.
    """
    total, content = _look_through(file)
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=url, headers=headers, timeout=httpx.Timeout(10, read=None, write=60)) as client:
        try:
            key = _unfinished_key(client, f"{content}-dry" if dry_run else content)
        except httpx.TransportError as error:
            said = f"{url} does not answer ({type(error).__name__}). Is it the address of the vendor service, and up?"
            raise _ended(EXIT_NOT_STARTED, said) from error
        try:
            answer = _send(client, file, key, total, dry_run=dry_run)
        except httpx.TransportError as error:
            said = f"The connection to {url} broke ({type(error).__name__}). Give the same command again to go on."
            raise _ended(EXIT_CUT_OFF, said) from error
    report = read_answer(answer, EXIT_NOT_STARTED)
    _show(report)
    if report["rejected"]:
        target = Path(f"{file}.rejected.csv")
        _write_rejected(file, target, report["rejected"])
        _say(f"The rejected rows are in {target}; mend them there and import that file.")
        raise typer.Exit(EXIT_SOME_REJECTED)


def _say(line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)


def _ended(code: int, said: str) -> typer.Exit:
    _say(said)
    return typer.Exit(code)


def _look_through(file: Path) -> tuple[int, str]:
    """How many rows the sheet has, and the hash of its content. Ends the command when it is no sheet of vendors."""
    from services.vendor.sheets import open_sheet
    from shared.errors import Refused

    try:
        with file.open("rb") as opened:
            content = hashlib.file_digest(opened, "sha256").hexdigest()
            opened.seek(0)
            return sum(1 for _ in open_sheet(opened).records()), content
    except OSError as error:
        raise _ended(EXIT_NOT_STARTED, f"{file} cannot be read: {error.strerror}.") from error
    except Refused as refused:
        raise _ended(EXIT_NOT_STARTED, f"{file}: {refused.message}") from refused


def _unfinished_key(client: httpx.Client, content: str) -> str:
    """The key of this content's import that was cut off, else a fresh one: an import that ended may be run again."""
    number = 1
    while True:
        key = f"import-{content}-{number}"
        answer = client.get(f"/v1/vendors/imports/{key}")
        if answer.status_code == 404:
            return key
        if not read_answer(answer, EXIT_NOT_STARTED)["finished"]:
            _say("This import was begun before and goes on where it stopped.")
            return key
        number += 1


def _send(client: httpx.Client, file: Path, key: str, total: int, *, dry_run: bool) -> httpx.Response:
    """Upload the sheet and show, row by row, how far the service has come."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with ThreadPoolExecutor(1) as pool, Progress(*columns, console=console) as progress, file.open("rb") as opened:
        task = progress.add_task("checking rows" if dry_run else "registering", total=total)
        sending: Future[httpx.Response] = pool.submit(
            client.post,
            "/v1/vendors/import",
            params={"dry_run": dry_run},
            files={"file": (file.name, opened, "application/octet-stream")},
            headers={"Idempotency-Key": key},
        )
        while not wait([sending], timeout=POLL_SECONDS).done:
            with suppress(httpx.TransportError):  # what the upload itself meets is told below
                so_far = client.get(f"/v1/vendors/imports/{key}")
                if so_far.is_success:
                    progress.update(task, completed=so_far.json()["rows"])
        answer = sending.result()
        if answer.is_success:
            progress.update(task, completed=total)
        return answer


def _show(report: dict[str, Any]) -> None:
    verb = "would be registered" if report["dry_run"] else "registered"
    counts = f"{report['registered']} {verb}, {report['already']} were already, {len(report['rejected'])} rejected"
    _say(f"{report['rows']} rows: {counts}.")
    if report["stopped_at_line"] is not None:
        _say(f"Nearly every row was rejected, so reading stopped at line {report['stopped_at_line']}.")
    for code, warned in report["warnings"].items():
        lines = ", ".join(map(str, warned["lines"]))
        more = ", ..." if warned["count"] > len(warned["lines"]) else ""
        _say(f"warning {code}: {warned['count']} rows, lines {lines}{more}")
    for row in report["rejected"][:ROWS_SHOWN_MAX]:
        for fault in (row, *row["also"]):
            value = f" {fault['value']!r}" if fault["value"] else ""
            _say(f"line {row['line']}: {fault['field']}{value} {fault['reason']}; {fault['fix']}")
    if len(report["rejected"]) > ROWS_SHOWN_MAX:
        _say(f"and {len(report['rejected']) - ROWS_SHOWN_MAX} rejected rows more")


def _write_rejected(file: Path, target: Path, rejected: list[dict[str, Any]]) -> None:
    """Copy the rejected rows, in full, with what is wrong beside them; the file is as readable as the sheet itself."""
    from services.vendor.sheets import RejectedRows, open_sheet

    with file.open("rb") as opened, target.open("w", encoding="utf-8-sig", newline="") as written:
        shutil.copymode(file, target)
        rows = RejectedRows(open_sheet(opened))
        written.write(rows.write((row["line"], (row, *row["also"])) for row in rejected))
