"""Savepoints where events are recorded: only `outbox.attempt` takes back with them what is held of the outbox."""

from pathlib import Path

import services

FOLDERS = ("api", "handlers", "cli")
READS = {"notify/handlers/audiences.py"}
"""Files whose transaction only reads (a cursor needs one)."""


def test_what_records_events_opens_no_savepoint_of_its_own() -> None:
    root = Path(services.__file__).parent
    found = {
        str(path.relative_to(root))
        for folder in FOLDERS
        for path in root.glob(f"*/{folder}/**/*.py")
        if " conn.transaction()" in path.read_text()
    }
    assert found == READS, "use `outbox.attempt`: what was recorded in the savepoint is taken back with it"


def test_stores_record_no_events() -> None:
    root = Path(services.__file__).parent
    found = [path.name for path in root.glob("*/store/**/*.py") if "outbox.record" in path.read_text()]
    assert not found, "stores open savepoints; what records events is a handler"
