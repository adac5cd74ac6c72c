"""`lapak contracts`: write the generated files of the contracts, or check them."""

from typing import Annotated

import typer

from shared.contracts.files import ROOT, check, release, write

__all__ = ["contracts"]

BROKEN = 1


def contracts(
    check_only: Annotated[
        bool, typer.Option("--check", help="Write nothing; list what is out of date or breaks a released contract.")
    ] = False,
    release_too: Annotated[
        bool, typer.Option("--release", help="Also promise today's contracts: later versions are held against them.")
    ] = False,
) -> None:
    """Generate JSON Schema and AsyncAPI of every event and command into shared/events/schema/."""
    if check_only:
        found = check()
        for sentence in found:
            typer.echo(sentence, err=True)
        if found:
            raise typer.Exit(BROKEN)
        typer.echo("contracts: up to date, nothing released is broken")
        return
    changed = write()
    if release_too:
        try:
            changed += release()
        except ValueError as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(BROKEN) from None
    for path in changed:
        typer.echo(f"wrote {path.relative_to(ROOT)}" if path.exists() else f"removed {path.relative_to(ROOT)}")
    if not changed:
        typer.echo("contracts: nothing to write")
