"""`lapak vendors`: officers' work on the registry from the command line, over HTTP."""

import typer

from services.vendor.cli.exporting import export_file
from services.vendor.cli.importing import import_file

__all__ = ["app"]

app = typer.Typer(help="The vendor registry.", no_args_is_help=True)
app.command("import")(import_file)
app.command("export")(export_file)


@app.callback()
def vendors() -> None:
    """The vendor registry."""
