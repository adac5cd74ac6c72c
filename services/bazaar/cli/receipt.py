"""`lapak receipt`: is what an applicant was given true?"""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from services.bazaar.cli.files import EXIT_WRONG, ROUND, of_file, read_document
from services.bazaar.domain.receipts import Receipt, check_against_problem, check_against_result, check_receipt


def receipt(
    file: Annotated[Path, typer.Argument(help="The receipt, as GET /v1/applications/{id}/receipt gives it.")],
    problem: Annotated[
        Path | None, typer.Option(help="Also check it against the published problem, or the frozen list.")
    ] = None,
    result: Annotated[Path | None, typer.Option(help="Also check its outcome against the published result.")] = None,
    root: Annotated[
        str | None, typer.Option(metavar="HASH", help="The root of the applicants as it was published with the freeze.")
    ] = None,
) -> None:
    """Check a receipt without asking the service.

    Alone: the entry leads to the root that stands in the receipt. With --root: that this is the published root. With
    --problem: that the whole list is the one that was frozen, that nobody was added, removed or altered since, and that
    the applicant stands there as the receipt says. With --result: that the outcome is the published one.

    Exit code: 0 true, 1 something was altered (each difference is printed), 2 a file cannot be read.
    """
    console = Console(stderr=True)
    found = read_document(file, Receipt, "receipt", "GET /v1/applications/{id}/receipt")
    findings = check_receipt(found)
    if root is not None and root.strip().lower() != found.applicants_root:
        findings.append(f"applicants_root: is {found.applicants_root}, published was {root.strip()}")
    if problem is not None:
        findings += of_file(problem, partial(check_against_problem, found), "problem", f"{ROUND}/problem or /frozen")
    if result is not None:
        findings += of_file(result, partial(check_against_result, found), "result", f"{ROUND}/result")
    for finding in findings:
        typer.echo(finding)
    if findings:
        console.print("[red]altered[/]: this receipt and what was published do not agree.", soft_wrap=True)
        raise typer.Exit(EXIT_WRONG)
    typer.echo(f"root {found.applicants_root}")
    console.print(
        f"[green]true[/]: applicant {found.entry.get('id')} stands at place {found.index + 1} of {found.size} in round "
        f"{found.round} of bazaar {found.bazaar_id}.",
        highlight=False,
        soft_wrap=True,
    )
    if problem is None and root is None:
        console.print(
            "Compare the root with the one that was published with the freeze (--root), or check the whole list "
            "(--problem).",
            soft_wrap=True,
        )
