"""What a stack remembers between two commands: `var/<name>/stack.json`, its ports and its processes.

The file is written to the side and moved into place, under a lock. One that cannot be read, because it is from
another version or half-written by something else, is set aside: running processes are found by their marks.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deploy.local.processes import ProcessRecord, StackError

REPOSITORY = Path(__file__).resolve().parents[2]
STATE_VERSION = 1
_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")


class StackState(BaseModel):
    """The content of stack.json. `running` is what `stack.start` returned last, empty while it has not finished."""

    model_config = ConfigDict(extra="forbid")

    version: int = STATE_VERSION
    ports: dict[str, int] = Field(default_factory=dict)
    processes: dict[str, ProcessRecord] = Field(default_factory=dict)
    running: dict[str, str] = Field(default_factory=dict)


def var_dir() -> Path:
    """Where all state lives: `var/` of the checkout, or the folder LAPAK_VAR names."""
    return Path(os.environ.get("LAPAK_VAR") or REPOSITORY / "var").absolute()


def state_dir(name: str) -> Path:
    """The folder of one stack."""
    if not _NAME.fullmatch(name):
        raise StackError(f"A stack's name is lower-case letters, digits and dashes, not {name!r}.")
    return var_dir() / name


def read(folder: Path) -> StackState:
    """The remembered state; an empty one when there is none or it cannot be read (then the file is set aside)."""
    path = folder / "stack.json"
    try:
        state = StackState.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return StackState()
    except ValidationError:
        path.replace(path.with_suffix(".json.unreadable"))
        return StackState()
    return state if state.version == STATE_VERSION else StackState()


@contextmanager
def edit(folder: Path) -> Iterator[StackState]:
    """Change the state: read, yield, write back whole, one editor at a time in this process and any other."""
    with locked(folder, "state"):
        state = read(folder)
        yield state
        write_private(folder / "stack.json", state.model_dump_json(indent=2))


@contextmanager
def locked(folder: Path, what: str) -> Iterator[None]:
    """Hold `<what>.lock` of a stack. The system lets go of it when the holder dies."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{what}.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def write_private(path: Path, text: str) -> None:
    """Replace a file in one step, readable by its owner only: it may hold passwords."""
    aside = path.with_name(path.name + ".new")
    aside.unlink(missing_ok=True)
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as handle:
        handle.write(text)
        handle.flush()
        os.fsync(handle.fileno())
    aside.replace(path)
