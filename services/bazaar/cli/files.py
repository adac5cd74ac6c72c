"""Files that people check: read, or refused with the reason."""

from pathlib import Path
from typing import NoReturn, TypeVar

import typer
from pydantic import BaseModel, ValidationError

from services.bazaar.allocation.malformed import Malformed, parse_json, path

EXIT_WRONG = 1
EXIT_NOT_READ = 2

M = TypeVar("M", bound=BaseModel)


def refuse(message: str) -> NoReturn:
    """End the command: what was given cannot be read."""
    typer.echo(message, err=True)
    raise typer.Exit(EXIT_NOT_READ)


def read_bytes(file: Path) -> bytes:
    """The bytes of a file."""
    try:
        return file.read_bytes()
    except OSError as error:
        refuse(f"{file}: cannot be read: {error.strerror or error}")


def read_document(file: Path, model: type[M], what: str) -> M:
    """The document in a file: JSON without a field given twice, each field as it must be."""
    data = read_bytes(file)
    try:
        return model.model_validate(parse_json(data, what))
    except Malformed as error:
        refuse(f"{file}: {error}")
    except ValidationError as error:
        faults = [f"{path(*one['loc'])}: {one['msg']}" for one in error.errors(include_url=False, include_input=False)]
        refuse(f"{file} is no {what}:\n" + "\n".join(faults))
