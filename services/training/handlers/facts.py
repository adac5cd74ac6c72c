"""What the registry tells of documents and of businesses is remembered, for what banks may be told."""

from collections.abc import Sequence

from services.training.store import facts
from services.training.store.facts import Document
from shared.db import Connection
from shared.events.documents import DocumentLapsed, DocumentRejected, DocumentReturned, DocumentVerified
from shared.events.vendor import VendorKindChosen


async def remember_verified(conn: Connection, told: Sequence[tuple[DocumentVerified, int]]) -> None:
    """Documents were found good; the number is the registry's version of the vendor."""
    await facts.save_documents(
        conn,
        [
            Document(event.vendor_id, event.document_id, event.kind, True, event.expires_on, version)
            for event, version in told
        ],
    )


async def remember_not_good(
    conn: Connection, told: Sequence[tuple[DocumentLapsed | DocumentRejected | DocumentReturned, int]]
) -> None:
    """Documents are good no longer, or were not found good."""
    await facts.save_documents(
        conn,
        [Document(event.vendor_id, event.document_id, event.kind, False, None, version) for event, version in told],
    )


async def remember_kinds(conn: Connection, told: Sequence[tuple[VendorKindChosen, int]]) -> None:
    """Whether vendors have a business; the last word on each counts."""
    await facts.save_kinds(conn, {event.vendor_id: (event.kind, version) for event, version in told})
