"""Storefronts: what a vendor wants to show, and an officer's word on it."""

from datetime import datetime
from uuid import UUID

from services.bazaar.domain import storefronts as domain
from services.bazaar.domain.application import Application, VendorUnknown
from services.bazaar.domain.storefronts import DecideStorefront, Storefront, StorefrontUnknown, SubmitStorefront
from services.bazaar.store import applications, vendors
from services.bazaar.store import storefronts as store
from shared.db import Connection


async def lock_participant(conn: Connection, application_id: UUID) -> Application:
    """The application of a vendor that is somebody still, held; it takes part in the bazaar."""
    found = await applications.find_application(conn, application_id)
    if await vendors.share_vendor(conn, found.vendor_id) is None:
        raise VendorUnknown("This vendor is not registered any more.")
    application = await applications.lock_application(conn, application_id)
    domain.require_participant(application)
    return application


async def submit_storefront(
    conn: Connection, application_id: UUID, command: SubmitStorefront, *, now: datetime
) -> Storefront:
    """The vendor shows this from now on, once an officer has looked at it."""
    application = await lock_participant(conn, application_id)
    storefront = domain.submit(application, command, await store.find_storefront(conn, application_id))
    await store.save_storefront(conn, storefront, now=now)
    return storefront


async def withdraw_storefront(conn: Connection, application_id: UUID) -> None:
    """The vendor is shown no longer."""
    await applications.lock_application(conn, application_id)
    if not await store.remove_storefront(conn, application_id):
        raise StorefrontUnknown("This application has no storefront.")


async def decide_storefront(
    conn: Connection, application_id: UUID, command: DecideStorefront, *, now: datetime
) -> Storefront:
    """An officer lets everybody see it, or hides it."""
    await applications.lock_application(conn, application_id)
    storefront = domain.decide(await store.get_storefront(conn, application_id), command)
    await store.save_decision(conn, storefront, now=now)
    return storefront
