"""Commands that call a service look for it where the local stack starts it, and refuse what cannot lead there."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from deploy.local.services import PREFERRED_PORTS
from services.cli import app
from shared.dsn import checked, shown

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
@pytest.mark.parametrize(
    "wrong",
    [
        "nonsense",
        "postgresql://vendor:pass@127.0.0.1",
        "postgresql://vendor:se/cret@127.0.0.1:5432/vendor",
        "postgresql://vendor:12/secret@127.0.0.1:5432/vendor",
        "postgresql://vendor:se#cret@127.0.0.1:5432/vendor",
        "postgresql://vendor:12#secret@127.0.0.1:5432/vendor",
        "postgresql://vendor:se?cret@127.0.0.1:5432/vendor",
        "postgresql://vendor:se@cret@127.0.0.1:5432/vendor",
        "postgresql://vendor:secret@127.0.0.1:five/vendor",
        "postgresql://vendor:secret@[::1/vendor",
        "postgresql://vendor:sec\N{FULLWIDTH SOLIDUS}ret@127.0.0.1/vendor",
    ],
)
def test_a_database_that_is_no_address_is_said_so(command: tuple[str, ...], wrong: str) -> None:
    ran = CliRunner().invoke(app, [*command, "--database", wrong])
    assert isinstance(ran.exception, SystemExit), ran.exception
    assert ran.exit_code == 2
    words = " ".join(ran.output.replace("│", " ").split())
    assert "'--database' (env var: 'LAPAK_DATABASE')" in words
    assert "postgresql://user:password@host:port/database" in words
    assert not any(piece in words for piece in ("cret", "sec", "12", "five")), words


@pytest.mark.parametrize(
    ("dsn", "where"),
    [
        ("postgresql://vendor:s%2Fecret@127.0.0.1:5432/vendor", "vendor at 127.0.0.1:5432"),
        ("postgres://vendor@db.example.test/vendor%20one?sslmode=require", "vendor one at db.example.test"),
        ("postgresql://vendor:secret@[::1]:5432,db-2:5433/vendor", "vendor at [::1]:5432,db-2:5433"),
        ("postgresql:///vendor?host=/run/postgresql", "vendor at this machine"),
    ],
)
def test_an_address_of_a_database_is_taken_as_it_is_and_shown_without_its_password(dsn: str, where: str) -> None:
    assert (checked(dsn), shown(dsn)) == (dsn, where)
