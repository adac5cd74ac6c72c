"""`lapak seed`: draw a round's seed again from what its officials revealed, or make a secret for a ceremony."""

import secrets
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from services.bazaar.cli.files import EXIT_WRONG, ROUND, of_file, read_document
from services.bazaar.domain.ceremony import PublicCeremony, check_ceremony, check_seed_used, commitment_of
from shared.command_files import refuse

SECRET_BYTES = 32


def seed(
    file: Annotated[
        Path | None,
        typer.Argument(
            help="The public page, as GET /v1/bazaars/{id}/rounds/{n}/ceremony gives it.", show_default=False
        ),
    ] = None,
    problem: Annotated[
        Path | None, typer.Option(help="Also check that the published problem of the round was solved with this seed.")
    ] = None,
    new_secret: Annotated[
        bool, typer.Option("--new-secret", help="Print a fresh secret and its commitment, for an official.")
    ] = False,
) -> None:
    """Draw the seed of a round again from the secrets of its officials, and print it.

    Every secret is compared with its commitment, and the seed with the one that the round was drawn with. It is the
    SHA-256, in hexadecimal, of these lines joined by a line feed each, with none at the end: `lapak seed v1`, the id of
    the bazaar, the number of the round, frozen_sha256, then each secret in the order of commitment.

    With --problem: that the round was solved with it, over the very list that was frozen before it was drawn.

    Exit code: 0 as published, 1 it is not (each difference is printed) or there is no seed, 2 the file cannot be read.
    """
    console = Console(stderr=True)
    if new_secret == (file is not None):
        refuse("give either the FILE of a ceremony or --new-secret")
    if new_secret and problem is not None:
        refuse("--problem goes with the FILE of a ceremony")
    if file is None:
        secret = secrets.token_hex(SECRET_BYTES)
        typer.echo(f"secret      {secret}")
        typer.echo(f"commitment  {commitment_of(secret)}")
        console.print("Hand in the commitment now. Show the secret to nobody until all have committed.", soft_wrap=True)
        return
    page = read_document(file, PublicCeremony, "page of a ceremony", f"{ROUND}/ceremony")
    drawn, findings = check_ceremony(page)
    if problem is not None and drawn is not None:
        findings += of_file(problem, partial(check_seed_used, page, drawn), "problem", f"{ROUND}/problem")
    for finding in findings:
        typer.echo(finding)
    if drawn is None:
        console.print("[red]no seed[/]: in no attempt was every secret revealed.", soft_wrap=True)
    if findings or drawn is None:
        raise typer.Exit(EXIT_WRONG)
    typer.echo(drawn)
    used = "" if problem is None else ", and the round was solved with this seed"
    console.print(f"[green]true[/]: every secret is what was committed to{used}.", soft_wrap=True)
    if problem is None:
        console.print("Whether the round was solved with this seed, --problem tells.", soft_wrap=True)
