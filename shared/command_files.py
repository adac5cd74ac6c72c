"""Files that commands read and write: refused with the reason, written whole or not at all."""

import os
from pathlib import Path
from typing import NoReturn

import typer

__all__ = ["EXIT_NOT_READ", "read_bytes", "refuse", "write_whole"]

EXIT_NOT_READ = 2


def refuse(message: str) -> NoReturn:
    """End the command: what was given cannot be read, or the call makes no sense."""
    typer.echo(message, err=True)
    raise typer.Exit(EXIT_NOT_READ)


def read_bytes(path: Path) -> bytes:
    """The bytes of a file."""
    try:
        return path.read_bytes()
    except OSError as error:
        refuse(f"{path}: cannot be read: {error.strerror or error}")


def write_whole(path: Path, data: bytes) -> None:
    """The whole file or none of it: written beside the target, then renamed over it."""
    try:
        target = path.resolve()
        if target.exists() and not target.is_file():  # a pipe or a device has no name to take over
            target.write_bytes(data)
            return
        beside = target.with_name(f".{target.name}.{os.getpid()}.part")
        try:
            with beside.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(target)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        refuse(f"{path}: cannot be written: {error.strerror or error}")
