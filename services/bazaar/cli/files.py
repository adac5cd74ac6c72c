"""Documents that people check: read, or refused with the reason."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from shared.command_files import read_bytes, refuse
from shared.malformed import Malformed, explain, parse_json

EXIT_WRONG = 1
ROUND = "GET /v1/bazaars/{id}/rounds/{n}"

M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")


def read_document(file: Path, model: type[M], what: str, source: str) -> M:
    """The document in a file: JSON without a field given twice, each field as it must be. `source` gives one."""

    def read(data: bytes) -> M:
        try:
            return model.model_validate(parse_json(data, what))
        except ValidationError as error:
            raise explain(error, {(): list(model.model_fields)}) from None

    return of_file(file, read, what, source)


def of_file(file: Path, read: Callable[[bytes], T], what: str, source: str) -> T:
    """What is read out of a file; one that is not what it should be ends the command with every fault named."""
    try:
        return read(read_bytes(file))
    except Malformed as error:
        refuse(f"{file} is no {what}, as {source} gives it:\n{error}")
