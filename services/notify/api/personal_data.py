"""What notify keeps about a person (UU PDP, Law 27/2022)."""

from typing import Any, get_args
from uuid import UUID

from fastapi import APIRouter

from services.notify.api.words import email_text, find_material
from services.notify.store import copies, lookups, personal_data
from shared import families
from shared.http import EdgeDep
from shared.personal_data import LookReason, ReasonMissing, VendorNotKept, require_entitled

router = APIRouter()


@router.get("/v1/vendors/{vendor_id}/data", tags=["personal data"])
async def show_personal_data(vendor_id: UUID, edge: EdgeDep, reason: LookReason | None = None) -> dict[str, Any]:
    """All that notify keeps about a person, under each of its ids, messages with their words: for the person itself,
    and a registrar of where it lives who says why, which is noted (UU PDP, Law 27/2022). A section that is
    empty says so.
    """
    caller = edge.caller
    async with edge.platform.database.transaction() as conn:
        if await families.find_erased(conn, [vendor_id]):
            raise VendorNotKept("Nothing is kept here of this vendor.")
        if not require_entitled(caller, vendor_id, await copies.find_kelurahan(conn, vendor_id)):
            if reason is None:
                raise ReasonMissing(get_args(LookReason))
            await personal_data.add_disclosure(conn, vendor_id, caller.subject, reason, edge.now)
        vendor_ids = await families.find_family(conn, vendor_id)
        sections = await personal_data.collect(conn, vendor_ids)
        contacts = {one: await lookups.find_contact(conn, one) for one in vendor_ids}
        for message in sections["messages"]["data"]:
            material = await find_material(conn, message, contacts[message["vendor_id"]], in_full=True)
            message["text"] = email_text(material)
        for file in sections["attached_files"]["data"]:
            sealed = file.pop("name_sealed")
            context = file["attachment_id"].bytes
            file["name"] = None if sealed is None else edge.platform.sealer.open(sealed, context).decode()
        for reply in sections["replies"]["data"]:
            for words in ("text", "answer"):
                sealed = reply.pop(f"{words}_sealed")
                context = reply["reply_id"].bytes
                reply[words] = None if sealed is None else edge.platform.sealer.open(sealed, context).decode()
    return {
        "service": "notify",
        "vendor_id": vendor_id,
        "registrations_of_the_person": vendor_ids,
        "collected_at": edge.now,
        "sections": sections,
    }
