"""`lapak notify`: look up messages, send them again, settle, pause, approve; keys, subscribers, templates."""

import typer

from services.notify.cli import messages
from services.notify.cli.bounces import bounces
from services.notify.cli.broadcasts import app as broadcasts
from services.notify.cli.keys import app as keys
from services.notify.cli.subscribers import app as subscribers
from services.notify.cli.templates import app as templates

__all__ = ["app"]

app = typer.Typer()


@app.callback(no_args_is_help=True)
def notify() -> None:
    """Messages to vendors: look up, send again, settle, pause; keys, broadcasts, subscribers, templates.

    Exit code of every command: 0 done, 1 refused by the service (it says why), 2 not started (a wrong argument, or the
    service does not answer), 3 the connection broke on the way. Of `bounces`, for mail servers: as in sysexits.h.
    """


app.command("show")(messages.show_message)
app.command("find")(messages.find)
app.command("unknown")(messages.unknown)
app.command("resend")(messages.resend)
app.command("settle")(messages.settle)
app.command("pause")(messages.pause)
app.command("resume")(messages.resume)
app.command("providers")(messages.providers)
app.command("figures")(messages.figures)
app.command("suppressions")(messages.suppressions)
app.command("bounces")(bounces)
app.add_typer(broadcasts, name="broadcasts")
app.add_typer(keys, name="keys")
app.add_typer(subscribers, name="subscribers")
app.add_typer(templates, name="templates")
