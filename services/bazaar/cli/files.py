"""Documents that people check: read, or refused with the reason."""

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from services.bazaar.allocation.malformed import Malformed, parse_json, path
from shared.command_files import read_bytes, refuse

EXIT_WRONG = 1

M = TypeVar("M", bound=BaseModel)


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
