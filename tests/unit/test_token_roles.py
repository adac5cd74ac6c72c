"""Every role that a door asks for can be had on the local stack."""

import re
from pathlib import Path

from typer.testing import CliRunner

from services.cli import ROLES, app

SERVICES = Path(__file__).parents[2] / "services"
ASKED = re.compile(r"\.(?:require|has)\(((?:\"[a-z]+\"(?:, )?)+)")


def asked_for() -> set[str]:
    found: set[str] = set()
    for path in SERVICES.glob("*/api/*.py"):
        for roles in ASKED.findall(path.read_text()):
            found |= set(re.findall(r"[a-z]+", roles))
    return found


def test_lapak_token_gives_every_role_that_a_door_asks_for() -> None:
    asked = asked_for()
    assert {"officer", "vendor", "bank", "provider", "mentor"} <= asked, "the search is blind"
    assert asked <= set(ROLES)


def test_a_bank_has_a_token(tmp_path: Path) -> None:
    given = CliRunner().invoke(app, ["token", "bank-dki", "--role", "bank", "--keys", str(tmp_path)])
    assert given.exit_code == 0
    assert given.output.count(".") == 2
