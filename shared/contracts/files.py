"""The files: what belongs into the directory of schemas, whether it is there, and what was promised before."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from shared.contracts.asyncapi import asyncapi
from shared.contracts.compatibility import breaks
from shared.contracts.messages import messages, schema

__all__ = ["ASYNCAPI", "RELEASED", "SCHEMAS", "check", "generate", "release", "write"]

ROOT = Path(__file__).resolve().parent.parent.parent
SCHEMAS = ROOT / "shared" / "events" / "schema"
RELEASED = ROOT / "tests" / "contracts" / "released"
ASYNCAPI = "asyncapi.json"


def generate(directory: Path = SCHEMAS) -> dict[Path, bytes]:
    """What belongs into the directory: path -> content. The same models give the same bytes."""
    files = {directory / f"{kind.__name__}.json": _as_file(schema(kind)) for kind in messages()}
    files[directory / ASYNCAPI] = _as_file(asyncapi())
    return files


def write(directory: Path = SCHEMAS) -> list[Path]:
    """Write what is out of date and remove what no longer belongs there; gives the paths that changed."""
    wanted = generate(directory)
    directory.mkdir(parents=True, exist_ok=True)
    changed = [path for path, content in wanted.items() if not path.exists() or path.read_bytes() != content]
    for path in changed:
        path.write_bytes(wanted[path])
    for path in _superfluous(directory, wanted):
        path.unlink()
        changed.append(path)
    return changed


def check(directory: Path = SCHEMAS, released: Path = RELEASED) -> list[str]:
    """What is wrong, a sentence each: files that are out of date, and released contracts that are broken."""
    return [*_outdated(directory), *_broken(released)]


def release(released: Path = RELEASED) -> list[Path]:
    """Promise today's contracts: later versions are held against them. Raises `ValueError` if one breaks a promise."""
    broken = list(_broken(released))
    if broken:
        raise ValueError("\n".join(broken))
    released.mkdir(parents=True, exist_ok=True)
    contents = {released / f"{kind.__name__}.json": _as_file(schema(kind)) for kind in messages()}
    changed = [path for path, content in contents.items() if not path.exists() or path.read_bytes() != content]
    for path in changed:
        path.write_bytes(contents[path])
    return changed


def _outdated(directory: Path) -> Iterator[str]:
    wanted = generate(directory)
    for path, content in wanted.items():
        if not path.exists():
            yield f"{path.name} is missing in {directory.name}/; run `lapak contracts` and commit it."
        elif path.read_bytes() != content:
            yield f"{path.name} is out of date; run `lapak contracts` and commit it."
    for path in _superfluous(directory, wanted):
        yield f"{path.name} belongs to no event or command; run `lapak contracts`."


def _superfluous(directory: Path, wanted: Mapping[Path, bytes]) -> list[Path]:
    return sorted(path for path in directory.glob("*.json") if path not in wanted)


def _broken(released: Path) -> Iterator[str]:
    today = {kind.__name__: schema(kind) for kind in messages()}
    for path in sorted(released.glob("*.json")):
        if path.stem not in today:
            yield f"{path.stem} was released and is gone; it stays, and what replaces it gets a new name."
        else:
            yield from breaks(path.stem, json.loads(path.read_bytes()), today[path.stem])


def _as_file(document: Mapping[str, Any]) -> bytes:
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()
