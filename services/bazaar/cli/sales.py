"""`lapak sales import`: take a marketplace's sales file, over HTTP."""

import hashlib
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
EXIT_NOT_DONE = 2
ROWS_SHOWN_MAX = 10

app = typer.Typer(help="Sales of bazaars.", no_args_is_help=True)
console = Console(stderr=True)


@app.callback()
def sales() -> None:
    """Sales of bazaars."""


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="The CSV that the marketplace gives its sellers, as it was downloaded.")],
    bazaar: Annotated[UUID, typer.Option(help="Id of the bazaar.")],
    marketplace: Annotated[str, typer.Option(help="Code of the marketplace: tokopedia, shopee, other.")],
    token: Annotated[str, typer.Option(envvar="LAPAK_TOKEN", help="Bearer token of an officer.", callback=bearer)],
    shop: Annotated[str | None, typer.Option(help="Whose file it is, where no column names the shop.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Report what would happen, and change nothing.")] = False,
    url: Annotated[
        str, typer.Option(envvar="LAPAK_BAZAAR_URL", help="Address of the bazaar service.", callback=address)
    ] = "http://127.0.0.1:8103",
) -> None:
    """Take a marketplace's sales file. Lines that cannot be taken are written to FILE.rejected.csv, ready to be mended.

    The same file again doubles nothing; a later one in which orders are cancelled or returned corrects the sales. Exit
    code: 0 all lines are in, 1 some were rejected, 2 nothing was done.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise _ended(f"{file} cannot be read: {error.strerror}.") from error
    query: dict[str, Any] = {"marketplace": marketplace, "dry_run": dry_run}
    if shop is not None:
        query["shop"] = shop
    report = read_answer(_send(url, token, bazaar, file.name, content, query), EXIT_NOT_DONE)
    verb = "would be" if report["dry_run"] else "were"
    _say(
        f"{report['lines']} lines: {report['added']} {verb} added, {report['changed']} {verb} changed, "
        f"{report['unchanged']} known already, {report['ignored']} not paid, {len(report['rejected'])} rejected."
    )
    for fault in report["rejected"][:ROWS_SHOWN_MAX]:
        value = f" {fault['value']!r}" if fault["value"] else ""
        _say(f"line {fault['line']}: {fault['field']}{value} {fault['reason']}; {fault['fix']}")
    if report["rejected"]:
        if len(report["rejected"]) > ROWS_SHOWN_MAX:
            _say(f"and {len(report['rejected']) - ROWS_SHOWN_MAX} rejected lines more")
        target = Path(f"{file}.rejected.csv")
        _write_rejected(file, target, content, marketplace, report["rejected"])
        _say(f"The rejected lines are in {target}; mend them there and import that file.")
        raise typer.Exit(EXIT_SOME_REJECTED)


def _send(url: str, token: str, bazaar: UUID, name: str, content: bytes, query: dict[str, Any]) -> httpx.Response:
    # what was broken off may be sent again: the key is fresh, and known lines are not taken twice
    digest = hashlib.sha256(content).hexdigest()[:16]
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": f"sales-{digest}-{uuid4()}"}
    try:
        with httpx.Client(base_url=url, headers=headers, timeout=httpx.Timeout(10, read=None, write=60)) as client:
            path = f"/v1/bazaars/{bazaar}/marketplace-sales/import"
            return client.post(path, params=query, files={"file": (name, content, "text/csv")})
    except httpx.TransportError as error:
        said = f"{url} does not answer ({type(error).__name__}). Is it the address of the bazaar service, and up?"
        raise _ended(said) from error


def _write_rejected(file: Path, target: Path, content: bytes, marketplace: str, rejected: list[dict[str, Any]]) -> None:
    """Copy the rejected lines, in full, with what is wrong beside them; the file is as readable as the sheet itself."""
    from services.bazaar.marketplaces import marketplaces
    from services.bazaar.sales_files import Fault, mended_file

    text = mended_file(content, marketplaces()[marketplace], [Fault(**fault) for fault in rejected])
    with target.open("w", encoding="utf-8-sig", newline="") as written:
        shutil.copymode(file, target)
        written.write(text)


def _say(line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)


def _ended(said: str) -> typer.Exit:
    _say(said)
    return typer.Exit(EXIT_NOT_DONE)
