"""The stand-in for machines without Java or Maven: the `noida-db` wheel, which speaks Kafka's protocol.

For development only: one node, data in memory, nothing it does proves anything about Apache Kafka.
"""

from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Callable
from pathlib import Path

from deploy.local.kafka import wait_ready
from deploy.local.processes import HOST, ProcessRecord, StackError, kill, launch

WARNING = (
    "NOT Apache Kafka: the embedded noida-db broker (in memory, for development only). "
    "Install Java 17+ and Maven for the real one."
)


def version() -> str:
    """The wheel's version."""
    try:
        return importlib.metadata.version("noida-db")
    except importlib.metadata.PackageNotFoundError as error:
        raise StackError(
            "There is neither Apache Kafka (Java 17+ and Maven) nor the noida-db wheel (`make setup` installs it); "
            "or point LAPAK_KAFKA at a broker."
        ) from error


def start(state_dir: Path, port: int, *, remember: Callable[[ProcessRecord], None]) -> ProcessRecord:
    """Start it with its files under `<state_dir>/broker`, and return once it answers for metadata."""
    version()
    import noida_db

    program = Path(noida_db.__file__).with_name("noida-db")  # the script of that name only waits for this binary
    if not os.access(program, os.X_OK):
        program.chmod(0o755)
    home = state_dir / "broker"
    home.mkdir(parents=True, exist_ok=True)
    record = launch(
        state_dir,
        "broker",
        [str(program), "start", "--only", "kafka", "--host", HOST, "--kafka-port", str(port), "--data-dir", str(home)],
        cwd=home,
        address=f"{HOST}:{port}",
    )
    remember(record)
    try:
        wait_ready(record, port)
    except StackError:
        kill(record)
        raise
    return record
