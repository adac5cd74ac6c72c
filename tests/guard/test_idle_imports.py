"""A service that runs keeps in memory neither what it seldom needs nor what belongs to others.

What is used seldom is imported where it is used, off the event loop where that takes long. An idle service has 120 MB
(`docs/performance.md`); each of these libraries takes 1 to 70.
"""

import json
import os
import subprocess
import sys

import pytest

from services import SERVICES
from shared.auth import LocalIssuer
from tests.conftest import environment, repository_root

SELDOM = {
    "holidays": "days off of years without a decree",
    "httpx": "commands alone call services through it",
    "icalendar": "calendar files",
    "matplotlib": "plots of `lapak lab`",
    "numpy": "floor plans, matchings",
    "obstore": "files",
    "opentelemetry.exporter": "traces, when they are exported",
    "ortools": "rounds and matchings, in a process of their own",
    "puremagic": "files",
    "python_calamine": "sheets",
    "rapidfuzz": "names that resemble each other",
    "segno": "QR codes",
    "shapely": "floor plans",
    "typst": "certificates",
}
WATCHED = """
import json, sys

module, watched, planted = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3:]
found = {}

class Watch:
    def find_spec(self, name, path=None, target=None):
        if name in watched:
            frame, chain = sys._getframe(1), []
            while frame is not None:
                if frame.f_code.co_name == "<module>":
                    chain.append(frame.f_globals["__name__"])
                frame = frame.f_back
            found.setdefault(name, chain[:-1])

sys.meta_path.insert(0, Watch())
from shared.service import Service
Service.serve = lambda self: self.app()
for each in planted:
    __import__(each)
from services.cli import app
try:
    app(["run", module])
finally:
    found = {name: chain for name, chain in found.items() if name in sys.modules}
    json.dump(found, sys.stdout)
"""


def imported(service: str, issuer: LocalIssuer, *planted: str) -> dict[str, list[str]]:
    """What `lapak run` has imported when it begins to serve and should not: module -> who imported it, the last first.

    `planted`: modules imported besides.
    """
    others = {f"services.{name}" for name in SERVICES if name != service}
    watched = SELDOM.keys() | others
    settings = {
        **environment(issuer, "postgresql://nobody@127.0.0.1:1/none"),
        "LAPAK_SMTP": "127.0.0.1:1",
        "LAPAK_PUBLIC_URL": "https://lapak.example.go.id",
    }
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, service, json.dumps(sorted(watched)), *planted],
        env={**os.environ, **settings},
        cwd=repository_root(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_that_runs_has_imported_nothing_that_it_seldom_needs(service: str, issuer: LocalIssuer) -> None:
    assert [
        f"{name} ({SELDOM.get(name, 'another service')}) is imported by {' <- '.join(chain)}"
        for name, chain in imported(service, issuer).items()
    ] == []


def test_a_planted_import_is_found_with_those_who_led_to_it(issuer: LocalIssuer) -> None:
    found = imported("vendor", issuer, "services.bazaar.domain.plan_checks")
    assert {"services.bazaar", "shapely", "numpy"} <= found.keys()
    assert found["shapely"][0] == "services.bazaar.domain.plan_checks"
