"""Commands that call a service look for it where the local stack starts it, refuse what cannot lead there, and say what
it refused.
"""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import typer
from typer.testing import CliRunner

from deploy.local.services import PREFERRED_PORTS
from services.cli import app
from shared.command_doors import read_answer
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


def answered(status: int, content: bytes) -> httpx.Response:
    request = httpx.Request("GET", "http://127.0.0.1:8104/v1/notifications?reference=case-1")
    return httpx.Response(status, content=content, request=request)


PROBLEM = b"""{"code": "invalid", "detail": "These fields are wrong.", "errors": [
    {"field": "name", "reason": "has no letters", "fix": "write a word of it"},
    {"field": "day", "reason": "is required"}]}
"""
NONE_OF_OURS = "http://127.0.0.1:8104 answered {}, and not as our services do. Is it the right address, and up?\n"


@pytest.mark.parametrize(
    ("status", "content", "said"),
    [
        (
            422,
            PROBLEM,
            "Refused (invalid): These fields are wrong.\n"
            "  name: has no letters; write a word of it\n  day: is required\n",
        ),
        (404, b'{"code": "not-found", "detail": "Nobody."}', "Refused (not-found): Nobody.\n"),
        (502, b"<html>Bad Gateway</html>", NONE_OF_OURS.format(502)),
        (404, b'{"detail": "Not Found"}', NONE_OF_OURS.format(404)),
        (400, b"[]", NONE_OF_OURS.format(400)),
        (200, b"<html>Mails</html>", NONE_OF_OURS.format(200)),
        (500, b"\xff", NONE_OF_OURS.format(500)),
    ],
)
def test_what_was_refused_is_said_with_each_field_its_reason_and_its_way_out(
    status: int, content: bytes, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as ended:
        read_answer(answered(status, content), 7)
    assert (ended.value.exit_code, *capsys.readouterr()) == (7, "", said)


def test_an_answer_is_read() -> None:
    assert read_answer(answered(200, b'{"a": 1}'), 7) == {"a": 1}
    assert read_answer(answered(204, b""), 7) is None
