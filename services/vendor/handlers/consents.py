"""Consents: given and withdrawn, each time kept and told."""

from datetime import datetime
from uuid import UUID

from services.vendor.domain import consents as domain
from services.vendor.domain.consents import Consent
from services.vendor.handlers.vendors import lock_vendor, save_vendor
from services.vendor.store import consents as store
from services.vendor.store.merging import find_family
from shared.db import Connection
from shared.events.rights import ConsentPurpose
from shared.ids import new_id

__all__ = ["say"]


async def say(
    conn: Connection,
    vendor_id: UUID,
    purpose: ConsentPurpose,
    *,
    given: bool,
    text_version: int | None,
    source: domain.Source,
    actor: str,
    evidence: str | None,
    now: datetime,
    within: str | None = None,
) -> Consent:
    """Give or withdraw consent for one purpose; gives what stands then, which is the old word where nothing changed.

    Raises as `lock_vendor` does; `ConsentTextUnknown`, `EvidenceMissing`.
    """
    vendor = await lock_vendor(conn, vendor_id, within)
    last = domain.standing(await store.find_consents(conn, await find_family(conn, vendor_id))).get(purpose)
    (current,) = [text for text in await store.find_consent_texts(conn) if text.purpose == purpose]
    version = text_version if text_version is not None else current.version
    wish = Consent(new_id(), vendor_id, purpose, given, version, source, actor, evidence, now)
    if not given:  # it is the consent to that text that ends
        version = last.text_version if last is not None else current.version
        wish = Consent(wish.consent_id, vendor_id, purpose, given, version, source, actor, evidence, now)
    events = domain.decide(wish, last, current)
    if events is None:
        return last if last is not None else wish
    await store.add_consent(conn, wish)
    await save_vendor(conn, vendor, vendor, events, now=now)
    return wish
