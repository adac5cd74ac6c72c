"""`lapak notify templates`: look at templates before they are saved, save and choose versions, WhatsApp's approval."""

import json
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.console import Console
from rich.table import Table

from services.notify.cli.asking import NOTIFY_URL, AsJson, Limit, Token, Url, asking, refuse, say, show_rows

__all__ = ["app"]

EXIT_WRONG = 1
ALL = 100_000
LANGUAGES = ("id", "en")
FORMS = (("email", ""), ("sms", ".sms"), ("whatsapp", ".whatsapp"))

app = typer.Typer(help="Templates of messages.", no_args_is_help=True)
console = Console(stderr=True)

Name = Annotated[str, typer.Argument(help="The template.")]


@app.callback()
def templates() -> None:
    """Templates of messages."""


@app.command()
def check(as_json: AsJson = False) -> None:
    """Look at every template of this release: how long its forms get, and what is wrong with them. Needs no service.

    Of an SMS the size is its parts, of the others characters, each for the longest of the samples.

    Exit code: 0 all are right, 1 some have faults.
    """
    from services.notify.checking import check_forms
    from services.notify.domain.templates import parameters_of_event, plan_of
    from services.notify.rendering import release_templates

    table = Table(
        "template", *(f"{language} {form}" for language in LANGUAGES for form in ("e-mail", "SMS", "WhatsApp"))
    )
    reports = {}
    for name, template in sorted(release_templates().items()):
        found = plan_of(name)
        if found is None:
            continue  # our own code fills it, and its tests
        report = check_forms(name, template.sources, parameters_of_event(*found), has_party=found[1].party is not None)
        reports[name] = report
        sizes = [
            str(report.sizes.get(f"forms.{language}.{form}", "-"))
            for language in LANGUAGES
            for form in ("email", "sms", "whatsapp")
        ]
        table.add_row(name, *sizes)
    faulty = {name: report for name, report in reports.items() if report.faults}
    if as_json:
        typer.echo(
            json.dumps(
                {
                    name: {
                        "sizes": report.sizes,
                        "faults": [vars(fault) for fault in report.faults],
                        "warnings": [vars(fault) for fault in report.warnings],
                    }
                    for name, report in reports.items()
                }
            )
        )
    else:
        _print(table)
    for name, report in faulty.items():
        for fault in report.faults:
            line = "" if fault.line is None else f" line {fault.line}"
            console.print(f"{name} {fault.field}{line}: {fault.reason}", markup=False, soft_wrap=True)
    console.print(f"templates: {len(reports)}, with faults: {len(faulty)}", highlight=False)
    if faulty:
        raise typer.Exit(EXIT_WRONG)


@app.command("list")
def list_templates(token: Token, url: Url = NOTIFY_URL, as_json: AsJson = False) -> None:
    """All templates with the version in use, and how their WhatsApp forms stand."""
    with asking(url, token) as office:
        rows = office.rows("/templates", ALL)
    if as_json:
        typer.echo(json.dumps(rows))
        return
    table = Table("template", "version", "number", "from", "channels", "WhatsApp", "paused")
    for row in rows:
        standing = ", ".join(f"{language} {status}" for language, status in row["whatsapp"].items())
        number = "" if row["number"] is None else str(row["number"])
        paused = "paused" if row["paused"] else ""
        channels = " ".join(row["channels"])
        table.add_row(row["template"], row["version"], number, row["source"], channels, standing, paused)
    _print(table)


@app.command()
def preview(
    name: Name,
    token: Token,
    channel: Annotated[str, typer.Option(help="email, sms, whatsapp or inbox.")] = "email",
    language: Annotated[str, typer.Option(help="id or en.")] = "id",
    version: Annotated[str | None, typer.Option(help="Another version than the one in use.")] = None,
    params: Annotated[str | None, typer.Option(help="Parameters as a JSON object; a sample when not said.")] = None,
    url: Url = NOTIFY_URL,
    as_json: AsJson = False,
) -> None:
    """How a message would look. Nothing is sent."""
    wish: dict[str, Any] = {"channel": channel, "language": language, "version": version}
    if params is not None:
        try:
            wish["params"] = json.loads(params)
        except json.JSONDecodeError:
            refuse("--params: is not JSON.")
    with asking(url, token) as office:
        shown = office.post(f"{_path(name)}/preview", wish)
    if as_json:
        typer.echo(json.dumps(shown))
        return
    if shown["subject"] is not None:
        typer.echo(shown["subject"] + "\n")
    typer.echo(shown["text"].rstrip("\n"))
    if shown["segments"] is not None:
        console.print(f"{shown['segments']} parts, {shown['encoding']}", highlight=False)


@app.command()
def fetch(
    name: Name,
    folder: Annotated[Path, typer.Argument(file_okay=False, help="Where they go: id/NAME.txt, en/NAME.txt, ...")],
    token: Token,
    version: Annotated[str | None, typer.Option(help="Another version than the one in use.")] = None,
    url: Url = NOTIFY_URL,
) -> None:
    """Write a template's texts into files, to change them and `save` them. Files that are there are replaced.

    E-mails come without their footer: `save` puts it below.
    """
    from services.notify.rendering import footer

    with asking(url, token) as office:
        forms = office.get(_path(name) if version is None else f"{_path(name)}/versions/{quote(version, safe='')}")
    for form, text in forms["forms"].items():
        language, _, kind = form.partition(".")
        path = folder / language / f"{name}{'.' if kind else ''}{kind}.txt"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.removesuffix(footer(language)), "utf-8")
        except OSError as error:
            refuse(f"{path} cannot be written: {error.strerror}.")
        typer.echo(path)


@app.command()
def save(
    name: Annotated[str, typer.Argument(help="The template; a new one's name begins with broadcast-.")],
    folder: Annotated[
        Path,
        typer.Argument(
            exists=True, file_okay=False, help="Holds id/NAME.txt, id/NAME.sms.txt, id/NAME.whatsapp.txt, and en/..."
        ),
    ],
    reason: Annotated[str, typer.Option(help="What is changed and why.")],
    token: Token,
    parameter: Annotated[
        list[str] | None, typer.Option(help="Of a template for broadcasts: NAME=text|date|moment|rupiah|url.")
    ] = None,
    url: Url = NOTIFY_URL,
) -> None:
    """Save a new version from files. It is used once it is activated.

    Exit code: 0 saved, 1 it has faults (each is named) or was refused, 2 a file is missing.
    """
    body: dict[str, Any] = {"forms": _read_forms(name, folder), "reason": reason}
    if parameter:
        body["parameters"] = dict(one.partition("=")[::2] for one in parameter)
    with asking(url, token) as office:
        saved = office.post(f"{_path(name)}/versions", body)
    for one in saved["warnings"]:
        say(f"{one['field']}: {one['message']}")
    typer.echo(saved["version"])


def _read_forms(name: str, folder: Path) -> dict[str, dict[str, str]]:
    forms: dict[str, dict[str, str]] = {}
    for language in LANGUAGES:
        forms[language] = {}
        for form, ending in FORMS:
            path = folder / language / f"{name}{ending}.txt"
            try:
                forms[language][form] = path.read_text("utf-8")
            except FileNotFoundError:
                if form == "email":
                    refuse(f"{path} is not there; every template has an e-mail form.")
            except (OSError, UnicodeDecodeError) as error:
                refuse(f"{path} cannot be read ({type(error).__name__}).")
    return forms


@app.command()
def activate(
    name: Name,
    version: Annotated[str, typer.Argument(help="The version, as `save` or `list` shows it.")],
    reason: Annotated[str, typer.Option(help="Why; kept beside the change.")],
    token: Token,
    url: Url = NOTIFY_URL,
) -> None:
    """Plan messages with this version from now on. An older one rolls back; what is planned keeps its version."""
    with asking(url, token) as office:
        active = office.post(f"{_path(name)}/versions/{quote(version, safe='')}/activate", {"reason": reason})
    console.print(f"{active['template']}: version {active['version']} (number {active['number']})", highlight=False)


@app.command()
def pause(
    name: Name,
    reason: Annotated[str, typer.Option(help="wrong-text, wrong-recipients, complaints, cost, test or other; kept.")],
    token: Token,
    url: Url = NOTIFY_URL,
    as_json: AsJson = False,
) -> None:
    """Let nothing of a template leave from now on: a wrong text. What is planned meanwhile waits too."""
    with asking(url, token) as office:
        found = office.post(f"{_path(name)}/pause", {"reason": reason})
    if as_json:
        typer.echo(json.dumps(found))
        return
    say(f"{name} is paused: {found['held']} messages wait.")
    if found["under_way"]:
        say(f"{found['under_way']} were being handed over at this moment; they leave.")
    if found["left_in_a_day"]:
        say(f"{found['left_in_a_day']} of those planned in the last day have left (`find --template {name}`).")


@app.command()
def resume(
    name: Name,
    reason: Annotated[str, typer.Option(help="text-mended, settled, test or other; it is kept.")],
    token: Token,
    words: Annotated[
        str,
        typer.Option(
            help="With which words what was held leaves: current (the version in use now) or planned (as it was)."
        ),
    ] = "current",
    url: Url = NOTIFY_URL,
    as_json: AsJson = False,
) -> None:
    """Use a template again; what was held back leaves."""
    with asking(url, token) as office:
        found = office.post(f"{_path(name)}/resume", {"reason": reason, "words": words})
    if as_json:
        typer.echo(json.dumps(found))
        return
    say(f"{name} is used again: {found['released']} messages go on.")


@app.command()
def pauses(
    token: Token,
    template: Annotated[str | None, typer.Option(help="Only of this template.")] = None,
    limit: Limit = 50,
    url: Url = NOTIFY_URL,
    as_json: AsJson = False,
) -> None:
    """Who paused and resumed templates, when and why."""
    with asking(url, token) as office:
        rows = office.rows("/template-pauses", limit, template=template)
    columns = ("at", "template", "paused", "actor", "reason", "messages")
    show_rows(rows, columns, as_json=as_json, nothing="There is no pause.")


@app.command()
def submit(
    token: Token,
    names: Annotated[list[str] | None, typer.Argument(help="Templates; all when none is named.")] = None,
    url: Url = NOTIFY_URL,
) -> None:
    """Submit WhatsApp forms for approval now: those that wait for a new try, were refused or rejected."""
    with asking(url, token) as office:
        answer = office.post("/whatsapp-templates/submit", {"templates": names or None})
    say(f"{answer['wanted']} forms are submitted shortly.")


@app.command()
def status(
    token: Token,
    only: Annotated[str | None, typer.Option("--status", help="As in approved, pending, rejected, wanted.")] = None,
    url: Url = NOTIFY_URL,
    as_json: AsJson = False,
) -> None:
    """How WhatsApp forms stand at each account.

    Exit code: 0, or 1 when some were refused or rejected.
    """
    with asking(url, token) as office:
        rows = office.rows("/whatsapp-templates", ALL, status=only)
    if as_json:
        typer.echo(json.dumps(rows))
    elif not rows:
        say("There is no such WhatsApp form.")
    else:
        table = Table("name", "language", "account", "template", "status", "reason")
        for row in rows:
            table.add_row(
                row["name"], row["language"], row["account"], row["template"] or "", row["status"], row["reason"] or ""
            )
        _print(table)
    if any(row["status"] in ("refused", "rejected", "disabled", "paused") for row in rows):
        raise typer.Exit(EXIT_WRONG)


def _print(table: Table) -> None:
    console_out = Console(width=160, markup=False, emoji=False, highlight=False)
    with console_out.capture() as text:
        console_out.print(table)
    typer.echo(text.get().rstrip("\n"))


def _path(name: str) -> str:
    return f"/templates/{quote(name, safe='')}"
