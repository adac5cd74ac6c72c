"""Files that go along with e-mails: sealed as they come, opened when they leave."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from services.notify.domain.attachments import PDF, AttachedFile, AttachFile, read_files
from services.notify.domain.contents import Attachment
from services.notify.store import attachments as store
from services.notify.store.attachments import SealedFile
from shared.crypto import Sealer
from shared.db import Connection
from shared.ids import new_id

__all__ = ["FileFacts", "copy_files", "find_facts", "open_files", "read_and_seal"]


class FileFacts(NamedTuple):
    """What is told of a file that went along. Without a name the file is removed."""

    name: str | None
    size: int
    sha256: str


def read_and_seal(wanted: Sequence[AttachFile], sealer: Sealer) -> list[SealedFile]:
    """The files that somebody wants to attach, as they are kept. Takes some milliseconds a megabyte, so it is for a
    thread. Raises `AttachmentInvalid`, `AttachmentsTooLarge`.
    """
    return _seal(read_files(wanted), sealer)


def _seal(files: Sequence[AttachedFile], sealer: Sealer) -> list[SealedFile]:
    found = []
    for number, one in enumerate(files, start=1):
        attachment_id = new_id()
        found.append(
            SealedFile(
                attachment_id,
                number,
                sealer.seal(one.name.encode(), attachment_id.bytes),
                sealer.seal(one.content, attachment_id.bytes),
                len(one.content),
                one.sha256,
            )
        )
    return found


def open_files(files: Sequence[SealedFile], sealer: Sealer) -> tuple[Attachment, ...]:
    """The files as parts of an e-mail."""
    return tuple(
        Attachment(
            sealer.open(one.name_sealed, one.attachment_id.bytes).decode(),
            PDF,
            sealer.open(one.content_sealed, one.attachment_id.bytes),
        )
        for one in files
    )


async def copy_files(conn: Connection, files: Sequence[SealedFile], notification_id: UUID, sealer: Sealer) -> None:
    """Let the same files go along with another message too, sealed anew, for each has its own days to be kept."""
    opened = open_files(files, sealer)
    again = [AttachedFile(part.name, part.body, one.sha256) for part, one in zip(opened, files, strict=True)]
    await store.add_files(conn, notification_id, _seal(again, sealer))


async def find_facts(conn: Connection, notification_id: UUID, sealer: Sealer) -> list[FileFacts]:
    """What is told of the files of a message, in their order."""
    return [
        FileFacts(
            None if one.name_sealed is None else sealer.open(one.name_sealed, one.attachment_id.bytes).decode(),
            one.size,
            one.sha256.hex(),
        )
        for one in await store.find_files(conn, notification_id)
    ]
