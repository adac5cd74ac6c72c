"""The whole story over all services, as a newcomer plays it: `lapak demo`, with fewer people."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local import stack
from deploy.local.state import state_dir
from tests.conftest import repository_root
from tests.integration.backbone import is_lag_only

STACK = f"demo-{os.getpid()}"
SECONDS_MAX = 1800
"""For a very busy machine: a demo of which nothing moves gives up by itself much earlier."""


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where the demo of this test keeps its state."""
    yield state_dir(STACK)
    stack.stop(STACK)
    shutil.rmtree(state_dir(STACK), ignore_errors=True)


def test_the_six_location_bazaar_keeps_every_promise(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "services.cli", "demo", "--vendors", "500", "--seed", "7", "--stack", STACK],
        cwd=repository_root(),
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]
    report = json.loads((folder / "report.json").read_text())
    assert len(report["promises"]) == 19
    assert all(value is True for value in report["promises"].values())
    assert report["offers"]["march"] == 180
    assert report["messages"]["by_channel"].keys() == {"whatsapp", "sms", "email"}
    assert [one["inbound"] for one in report["phones"][:3]] == [False, True, False], "an offer, YA, the confirmation"
    logs = "".join(path.read_text(errors="replace") for path in (folder / "logs").glob("*.log"))
    errors = [line for line in logs.splitlines() if '"level": "error"' in line and not is_lag_only(line)]
    assert not errors, errors[:3]
    assert "@warga.example" not in logs
