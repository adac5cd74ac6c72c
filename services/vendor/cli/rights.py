"""`lapak rights`: a person's complete data, gathered from every service into one file."""

import json
import os
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import httpx
import typer
from rich.console import Console

from shared.command_doors import address, bearer, refusal

__all__ = ["app"]

EXIT_INCOMPLETE = 1
EXIT_NOTHING = 2
TIMEOUT_SECONDS = 60.0
ONLY_OWNER = 0o600

app = typer.Typer(help="Rights of a person over its data (UU PDP).", no_args_is_help=True)
console = Console(stderr=True)


class NotAnswered(Exception):
    """A service that could not be asked, or `refused`; the text says why."""

    def __init__(self, why: str, *, refused: bool = False) -> None:
        super().__init__(why)
        self.refused = refused


@app.callback()
def rights() -> None:
    """Rights of a person over its data (UU PDP)."""


@app.command()
def export(
    vendor_id: Annotated[UUID, typer.Argument(help="The person's vendor id.")],
    file: Annotated[
        Path, typer.Argument(help="Where to write it: .json, or .zip to have the files of its documents too.")
    ],
    token: Annotated[
        str,
        typer.Option(envvar="LAPAK_TOKEN", help="Token of the vendor itself, or of a registrar.", callback=bearer),
    ],
    reason: Annotated[
        str | None,
        typer.Option(
            help="Of a registrar, kept in the audit log: asked-by-person, complaint, legal-order or to-decide."
        ),
    ] = None,
    vendor_url: Annotated[
        str, typer.Option(envvar="LAPAK_VENDOR_URL", help="Address of the vendor service.", callback=address)
    ] = "http://127.0.0.1:8101",
    training_url: Annotated[
        str, typer.Option(envvar="LAPAK_TRAINING_URL", help="Address of the training service.", callback=address)
    ] = "http://127.0.0.1:8102",
    bazaar_url: Annotated[
        str, typer.Option(envvar="LAPAK_BAZAAR_URL", help="Address of the bazaar service.", callback=address)
    ] = "http://127.0.0.1:8103",
    notify_url: Annotated[
        str, typer.Option(envvar="LAPAK_NOTIFY_URL", help="Address of the notify service.", callback=address)
    ] = "http://127.0.0.1:8104",
) -> None:
    """Write everything the four services keep about a person into one file that only you may read.

    Exit code: 0 the file is complete, 1 a service did not answer (the file says which, and holds the others), 2 nothing
    was written.
    """
    if file.suffix not in (".json", ".zip"):
        raise _ended(EXIT_NOTHING, "FILE: must end in .json or .zip.")
    urls = {"vendor": vendor_url, "training": training_url, "bazaar": bazaar_url, "notify": notify_url}
    gathered: dict[str, Any] = {}
    missing: dict[str, str] = {}
    with httpx.Client(headers={"Authorization": f"Bearer {token}"}, timeout=TIMEOUT_SECONDS) as client:
        for name, url in urls.items():
            params = {} if reason is None else {"reason": reason}
            try:
                gathered[name] = _json(_ask(client, f"{url}/v1/vendors/{vendor_id}/data", params))
                _say(f"{name}: {len(gathered[name].get('sections', ()))} sections")
            except NotAnswered as error:
                if name == "vendor" and error.refused:  # who may not ask the registry is not to ask the others either
                    raise _ended(EXIT_NOTHING, f"{error} Nothing was written.") from error
                missing[name] = str(error)
                _say(f"{name}: NOT in the file: {error}")
        if not gathered:
            raise _ended(EXIT_NOTHING, "No service answered; nothing was written.")
        whole = {
            "vendor_id": str(vendor_id),
            "gathered_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "complete": not missing,
            "not_answered": missing,
            "services": gathered,
        }
        try:
            lost = _write(file, whole, client, vendor_url)
        except OSError as error:
            raise _ended(EXIT_NOTHING, f"{file} cannot be written: {error.strerror}.") from error
    for problem in lost:
        _say(problem)
    if missing or lost:
        raise _ended(EXIT_INCOMPLETE, f"{file} is NOT complete; give the same command again later.")
    _say(f"{file} is complete.")


def _write(file: Path, whole: dict[str, Any], client: httpx.Client, vendor_url: str) -> list[str]:
    """Write the file beside its place and move it there, so that it is whole or not there; what documents it lacks."""
    beside = file.with_name(f".{file.name}.part")
    lost: list[str] = []
    beside.unlink(missing_ok=True)
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, ONLY_OWNER)
    try:
        with os.fdopen(handle, "wb") as opened:
            if file.suffix == ".zip":
                lost = _write_zip(zipfile.ZipFile(opened, "w", zipfile.ZIP_DEFLATED), whole, client, vendor_url)
            else:
                opened.write(_text(whole))
        beside.replace(file)
    finally:
        beside.unlink(missing_ok=True)
    return lost


def _write_zip(archive: zipfile.ZipFile, whole: dict[str, Any], client: httpx.Client, vendor_url: str) -> list[str]:
    lost: list[str] = []
    with archive:
        for document_id in _documents(whole):
            try:
                answer = _ask(client, f"{vendor_url}/v1/documents/{document_id}/file", {})
            except NotAnswered as error:
                lost.append(f"document {document_id}: NOT in the file: {error}")
                continue
            ending = answer.headers.get("content-type", "").partition(";")[0].rpartition("/")[2] or "bin"
            archive.writestr(f"documents/{document_id}.{ending}", answer.content)
        whole["complete"] = whole["complete"] and not lost
        whole["documents_not_answered"] = lost
        archive.writestr("data.json", _text(whole))
    return lost


def _documents(whole: dict[str, Any]) -> Iterator[str]:
    """Ids of the person's documents, as the registry lists them."""
    section = whole["services"].get("vendor", {}).get("sections", {}).get("documents", {}).get("data", {})
    for document in section.get("documents", ()):
        yield document["document_id"]


def _text(whole: dict[str, Any]) -> bytes:
    return json.dumps(whole, ensure_ascii=False, indent=2).encode()


def _json(answer: httpx.Response) -> dict[str, Any]:
    """What a service answered; raises `NotAnswered` where it is none of ours."""
    try:
        found: dict[str, Any] = answer.json()
    except ValueError:
        raise NotAnswered(refusal(answer)) from None
    return found


def _ask(client: httpx.Client, url: str, params: dict[str, str]) -> httpx.Response:
    """The answer; raises `NotAnswered`."""
    try:
        answer = client.get(url, params=params)
    except (httpx.TransportError, httpx.InvalidURL) as error:
        raise NotAnswered(f"{url.partition('/v1/')[0]} does not answer ({type(error).__name__})") from error
    if answer.is_success:
        return answer
    raise NotAnswered(refusal(answer), refused=answer.status_code < 500)


def _say(line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)


def _ended(code: int, said: str) -> typer.Exit:
    _say(said)
    return typer.Exit(code)
