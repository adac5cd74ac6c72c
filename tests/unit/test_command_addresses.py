"""Commands that call a service look for it where the local stack starts it, and refuse what cannot lead there."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from deploy.local.services import PREFERRED_PORTS
from services.cli import app

ADDRESS = re.compile(r"LAPAK_([A-Z]+)_URL")
COMMANDS = typer.main.get_command(app)
MAIL_SERVERS_ASK = "lapak notify bounces"
"""It ends with codes of its own whatever it is given (`test_notify_cli.py`)."""


def options(command: Any, name: str = "lapak") -> Iterator[tuple[str, Any]]:
    """Every option of every command, under the name of its command."""
    context = typer.Context(command)
    for inner in command.list_commands(context) if hasattr(command, "list_commands") else ():
        yield from options(command.get_command(context, inner), f"{name} {inner}")
    yield from ((name, option) for option in command.params)


def test_every_address_is_that_of_its_service_on_the_local_stack() -> None:
    found = {
        (name, match[1].lower()): option.default
        for name, option in options(COMMANDS)
        if (match := ADDRESS.fullmatch(str(option.envvar)))
    }
    assert ("lapak sales import", "bazaar") in found
    assert found == {key: f"http://127.0.0.1:{PREFERRED_PORTS[key[1]]}" for key in found}


def refused(option: Any, value: str) -> bool:
    """Whether the command ends there, with a sentence."""
    try:
        option.process_value(typer.Context(COMMANDS), value)
    except typer.BadParameter as error:
        return str(error.message).startswith(("is no token", f"{value} is no address"))
    return False


@pytest.mark.parametrize("wrong", ["", "tök.én", "a b", "a\nb"])
def test_what_can_be_no_token_is_refused_before_anything_is_asked(wrong: str) -> None:
    tokens = {
        name: option
        for name, option in options(COMMANDS)
        if option.envvar == "LAPAK_TOKEN" and name != MAIL_SERVERS_ASK
    }
    assert {"lapak vendors import", "lapak notify providers", "lapak rights export"} <= set(tokens)
    assert [name for name, option in tokens.items() if not refused(option, wrong)] == []
    assert [name for name, option in tokens.items() if refused(option, "eyJhbGciOi.eyJzdWIi._-x")] == []


@pytest.mark.parametrize("wrong", ["127.0.0.1:8101", "http://", "http://:::/", "ftp://example.test"])
def test_what_can_be_no_address_is_refused_before_anything_is_asked(wrong: str) -> None:
    addresses = {
        f"{name} {option.name}": option
        for name, option in options(COMMANDS)
        if ADDRESS.fullmatch(str(option.envvar)) and name != MAIL_SERVERS_ASK
    }
    assert {"lapak vendors import url", "lapak rights export bazaar_url", "lapak sales import url"} <= set(addresses)
    assert [name for name, option in addresses.items() if not refused(option, wrong)] == []
    assert [name for name, option in addresses.items() if refused(option, "https://lapak.example.go.id/vendor")] == []


@pytest.mark.parametrize(
    "command",
    [
        ("audit", "verify"),
        ("rounds", "replay"),
        ("dead-letters", "list"),
        ("dead-letters", "replay", "--all"),
        ("migrate", "notify"),
    ],
)
def test_a_database_that_is_no_address_is_said_so(command: tuple[str, ...]) -> None:
    ran = CliRunner().invoke(app, [*command, "--database", "nonsense"])
    assert isinstance(ran.exception, SystemExit), ran.exception
    assert ran.exit_code in (1, 2)
    assert "invalid DSN" in ran.output
