"""Files that go along with an e-mail: what may be attached, and to which messages."""

import base64
import binascii
import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from services.notify.domain.fields import worded
from shared.errors import Refused
from shared.files.types import find_type

__all__ = [
    "FILES_MAX",
    "NAME_PATTERN",
    "PDF",
    "REQUEST_BYTES_MAX",
    "AttachFile",
    "AttachedFile",
    "AttachmentInvalid",
    "AttachmentNeedsEmail",
    "AttachmentsTooLarge",
    "different_names",
    "read_files",
]

FILES_MAX = 5
BYTES_MAX = 2 * 1024 * 1024
"""All files of a message together. As base64 in an e-mail it is 2.9 MB; mail servers take 10 MB at least, mostly."""
REQUEST_BYTES_MAX = 3 * 1024 * 1024
"""Files of that size as base64, and the message around them."""
PDF = "application/pdf"

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._() -]{0,94}\.[Pp][Dd][Ff]$"
"""Plain names only: every mail program shows them as they are, and none takes them for a path or hides their end."""


_NAME_REASON = (
    "must end in .pdf, begin with a letter or digit, and have at most 99 letters (A-Z), digits, blanks or ._()- ; "
    "no folders. For example surat-undangan.pdf"
)


class AttachFile(BaseModel):
    """A PDF file that goes along with an e-mail."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, worded(NAME_PATTERN, _NAME_REASON)] = Field(
        description="As the reader sees it; no names of people", examples=["surat-undangan.pdf"], pattern=NAME_PATTERN
    )
    content: str = Field(
        repr=False,
        description="The file as base64 (RFC 4648, without line breaks)",
        json_schema_extra={"contentEncoding": "base64", "contentMediaType": PDF},
    )


def _check_different(files: tuple[AttachFile, ...]) -> tuple[AttachFile, ...]:
    if len({one.name.lower() for one in files}) < len(files):
        raise ValueError("must have different names; who saves them into one folder would lose one")
    return files


different_names = AfterValidator(_check_different)


@dataclass(frozen=True)
class AttachedFile:
    """A file that may go along."""

    name: str
    content: bytes
    sha256: bytes


class AttachmentInvalid(Refused):
    """A file is none that may be attached."""

    code = "attachment-invalid"
    status = 422


class AttachmentsTooLarge(Refused):
    """The files of a message have too many bytes together."""

    code = "attachments-too-large"
    status = 413


class AttachmentNeedsEmail(Refused):
    """Files go along with e-mails only, and this message is or would be none."""

    code = "attachment-needs-email"
    status = 422


def read_files(wanted: Sequence[AttachFile]) -> tuple[AttachedFile, ...]:
    """The files as bytes. Takes some milliseconds a megabyte. Raises `AttachmentInvalid`, `AttachmentsTooLarge`."""
    coded = sum(len(one.content) for one in wanted)
    if coded > (BYTES_MAX + 2 * FILES_MAX) // 3 * 4 + 4 * FILES_MAX:
        raise _too_large(coded // 4 * 3)
    found = tuple(_read(number, one) for number, one in enumerate(wanted))
    size = sum(len(one.content) for one in found)
    if size > BYTES_MAX:
        raise _too_large(size)
    return found


def _read(number: int, wanted: AttachFile) -> AttachedFile:
    try:
        content = base64.b64decode(wanted.content, validate=True)
    except (binascii.Error, ValueError):
        raise _invalid(number, "is no base64; encode the bytes of the file anew, without line breaks") from None
    if not content:
        raise _invalid(number, "is empty; choose the file anew")
    if find_type(content) != PDF:
        raise _invalid(number, "is no PDF by its content; save the document as PDF")
    return AttachedFile(wanted.name, content, hashlib.sha256(content).digest())


def _invalid(number: int, reason: str) -> AttachmentInvalid:
    field = f"attachments.{number}.content"
    return AttachmentInvalid(f"{field} {reason}.", errors=[{"field": field, "reason": reason}])


def _too_large(size: int) -> AttachmentsTooLarge:
    reason = f"may have {BYTES_MAX // 1024 // 1024} MiB together, and have {math.ceil(size / 1024 / 10.24) / 100}"
    return AttachmentsTooLarge(
        f"attachments {reason}; scan in grey or with fewer pixels, or send a link instead.",
        bytes_max=BYTES_MAX,
        errors=[{"field": "attachments", "reason": reason}],
    )
