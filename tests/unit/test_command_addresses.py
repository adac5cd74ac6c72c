"""Commands that call a service look for it where the local stack starts it."""

import re
from collections.abc import Iterator
from typing import Any

import typer

from deploy.local.services import PREFERRED_PORTS
from services.cli import app

ADDRESS = re.compile(r"LAPAK_([A-Z]+)_URL")


def options(command: Any, name: str = "lapak") -> Iterator[tuple[str, Any]]:
    """Every option of every command, under the name of its command."""
    for inner, found in getattr(command, "commands", {}).items():
        yield from options(found, f"{name} {inner}")
    yield from ((name, option) for option in command.params)


def test_every_address_is_that_of_its_service_on_the_local_stack() -> None:
    found = {
        (name, match[1].lower()): option.default
        for name, option in options(typer.main.get_command(app))
        if (match := ADDRESS.fullmatch(str(option.envvar)))
    }
    assert ("lapak sales import", "bazaar") in found
    assert found == {key: f"http://127.0.0.1:{PREFERRED_PORTS[key[1]]}" for key in found}
