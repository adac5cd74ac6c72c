"""`lapak certificate`: check a certificate's credential with nothing but files, and no network."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from services.training.domain.verification import NotValid, Unusable, check, read_document, read_issuer

EXIT_NOT_VALID = 1
EXIT_UNUSABLE = 2

app = typer.Typer(help="Certificates of trainings.", no_args_is_help=True)


@app.callback()
def certificate() -> None:
    """Certificates of trainings."""


@app.command()
def verify(
    file: Annotated[
        Path, typer.Argument(help="The credential, as GET /v1/certificates/{id}/credential.json gives it.")
    ],
    keys: Annotated[Path, typer.Option(help="The issuer's keys, as GET /.well-known/did.json gives them.")],
    status_list: Annotated[
        Path, typer.Option(help="The status list that the credential names (credentialStatus.statusListCredential).")
    ],
    name: Annotated[
        str | None, typer.Option(help="Also check that it was given to this person, as written on it.")
    ] = None,
    at: Annotated[datetime | None, typer.Option(help="Take this for the present moment, UTC.")] = None,
) -> None:
    """Say whether a certificate is genuine and not revoked. Whose keys are trusted is yours to see to: fetch them from
    the issuer itself. A status list tells of the hour it was made in; fetch it anew for what was revoked since.

    Exit code: 0 valid, 1 not valid, 2 nothing can be said (a file cannot be read, is too old, or is another one).
    """
    try:
        credential, issuer, revocations = (
            read_document(_bytes(file), "the credential"),
            read_issuer(read_document(_bytes(keys), "keys")),
            read_document(_bytes(status_list), "status list"),
        )
        now = datetime.now(UTC) if at is None else at.replace(tzinfo=UTC)
        found = check(credential, issuer, revocations, now=now, name=name)
    except NotValid as fault:
        _end("red", "not valid", str(fault), EXIT_NOT_VALID)
    except Unusable as fault:
        _end("yellow", "unusable", str(fault), EXIT_UNUSABLE)
    typer.echo(f"valid: {found.number}, {found.course}, given by {found.issuer}")
    Console(stderr=True).print(
        f"Completed {found.completed_on}, issued {found.issued_on}; not revoked as of "
        f"{found.as_of:%Y-%m-%d %H:%M} UTC. "
        + ("It was given to the person named." if name is not None else "Whose it is was not checked (--name)."),
        highlight=False,
        soft_wrap=True,
    )


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise Unusable(f"{file}: cannot be read: {error.strerror or error}") from None


def _end(colour: str, verdict: str, because: str, code: int) -> NoReturn:
    typer.echo(f"{verdict}: {because}")
    Console(stderr=True).print(f"[{colour}]{verdict}[/]", soft_wrap=True)
    raise typer.Exit(code)
