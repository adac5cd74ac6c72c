"""`lapak notify templates`: look at templates before they are saved, save and choose versions, WhatsApp's approval."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import httpx
import typer
from rich.console import Console
from rich.table import Table

from shared.ids import new_id

__all__ = ["app"]

EXIT_WRONG = 1
EXIT_REFUSED = 2
TIMEOUT_SECONDS = 30.0
LANGUAGES = ("id", "en")

app = typer.Typer(help="Templates of messages.", no_args_is_help=True)
console = Console(stderr=True)

Token = Annotated[str, typer.Option(envvar="LAPAK_TOKEN", help="Token of an operator.", show_envvar=True)]
Url = Annotated[str, typer.Option(envvar="LAPAK_NOTIFY_URL", help="Address of the notify service.")]
AsJson = Annotated[bool, typer.Option("--json", help="Answer as JSON.")]
NOTIFY_URL = "http://127.0.0.1:8104"


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
    rows = list(_pages(url, token, "/v1/templates"))
    if as_json:
        typer.echo(json.dumps(rows))
        return
    table = Table("template", "version", "number", "from", "channels", "WhatsApp")
    for row in rows:
        standing = ", ".join(f"{language} {status}" for language, status in row["whatsapp"].items())
        number = "" if row["number"] is None else str(row["number"])
        table.add_row(row["template"], row["version"], number, row["source"], " ".join(row["channels"]), standing)
    _print(table)


@app.command()
def preview(
    name: Annotated[str, typer.Argument(help="The template.")],
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
            console.print("--params: is not JSON")
            raise typer.Exit(EXIT_REFUSED) from None
    shown = _ask(url, token, "POST", f"/v1/templates/{quote(name, safe='')}/preview", wish)
    if as_json:
        typer.echo(json.dumps(shown))
        return
    if shown["subject"] is not None:
        typer.echo(shown["subject"] + "\n")
    typer.echo(shown["text"].rstrip("\n"))
    if shown["segments"] is not None:
        console.print(f"{shown['segments']} parts, {shown['encoding']}", highlight=False)


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

    Exit code: 0 saved, 1 it has faults (each is named), 2 a file is missing or the service refused.
    """
    body: dict[str, Any] = {"forms": _read_forms(name, folder), "reason": reason}
    if parameter:
        body["parameters"] = dict(one.partition("=")[::2] for one in parameter)
    saved = _ask(url, token, "POST", f"/v1/templates/{quote(name, safe='')}/versions", body)
    for one in saved["warnings"]:
        console.print(f"{one['field']}: {one['message']}", markup=False, soft_wrap=True)
    typer.echo(saved["version"])


def _read_forms(name: str, folder: Path) -> dict[str, dict[str, str]]:
    forms: dict[str, dict[str, str]] = {}
    for language in LANGUAGES:
        forms[language] = {}
        for form, ending in (("email", ""), ("sms", ".sms"), ("whatsapp", ".whatsapp")):
            path = folder / language / f"{name}{ending}.txt"
            try:
                forms[language][form] = path.read_text("utf-8")
            except FileNotFoundError:
                if form == "email":
                    console.print(f"{path}: is not there; every template has an e-mail form", markup=False)
                    raise typer.Exit(EXIT_REFUSED) from None
            except (OSError, UnicodeDecodeError) as error:
                console.print(f"{path}: cannot be read ({type(error).__name__})", markup=False)
                raise typer.Exit(EXIT_REFUSED) from None
    return forms


@app.command()
def activate(
    name: Annotated[str, typer.Argument(help="The template.")],
    version: Annotated[str, typer.Argument(help="The version, as `save` or `list` shows it.")],
    reason: Annotated[str, typer.Option(help="Why; kept beside the change.")],
    token: Token,
    url: Url = NOTIFY_URL,
) -> None:
    """Plan messages with this version from now on. An older one rolls back; what is planned keeps its version."""
    path = f"/v1/templates/{quote(name, safe='')}/versions/{quote(version, safe='')}/activate"
    active = _ask(url, token, "POST", path, {"reason": reason})
    console.print(f"{active['template']}: version {active['version']} (number {active['number']})", highlight=False)


@app.command()
def submit(
    token: Token,
    names: Annotated[list[str] | None, typer.Argument(help="Templates; all when none is named.")] = None,
    url: Url = NOTIFY_URL,
) -> None:
    """Submit WhatsApp forms for approval now: those that wait for a new try, were refused or rejected."""
    answer = _ask(url, token, "POST", "/v1/whatsapp-templates/submit", {"templates": names or None})
    console.print(f"submitted shortly: {answer['wanted']}", highlight=False)


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
    rows = list(_pages(url, token, "/v1/whatsapp-templates", {} if only is None else {"status": only}))
    if as_json:
        typer.echo(json.dumps(rows))
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
    console_out = Console(width=160)
    with console_out.capture() as text:
        console_out.print(table)
    typer.echo(text.get().rstrip("\n"))


def _pages(url: str, token: str, path: str, query: dict[str, str] | None = None) -> Iterator[dict[str, Any]]:
    after: str | None = None
    while True:
        asked = {**(query or {}), "limit": "200", **({} if after is None else {"after": after})}
        found = _ask(url, token, "GET", f"{path}?{httpx.QueryParams(asked)}")
        yield from found["items"]
        after = found["next"]
        if after is None:
            return


def _ask(url: str, token: str, method: str, path: str, body: Any = None) -> Any:
    """The answer; ends the command with the service's own words where it refuses."""
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": str(new_id())}
    try:
        answer = httpx.request(
            method,
            url.rstrip("/") + path,
            json=body,
            headers=headers if method == "POST" else {"Authorization": headers["Authorization"]},
            timeout=TIMEOUT_SECONDS,
        )
    except httpx.HTTPError as error:
        console.print(f"{url} does not answer: {type(error).__name__}", markup=False)
        raise typer.Exit(EXIT_REFUSED) from None
    if answer.is_success:
        return answer.json()
    try:
        problem = answer.json()
    except ValueError:
        problem = {}
    console.print(problem.get("detail") or f"refused with {answer.status_code}", markup=False, soft_wrap=True)
    for one in problem.get("errors") or ():
        console.print(f"  {one.get('field')}: {one.get('message')}", markup=False, soft_wrap=True)
    raise typer.Exit(EXIT_WRONG if problem.get("code") == "template-faulty" else EXIT_REFUSED)
