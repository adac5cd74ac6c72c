"""What the unit tests of bazaars share: small bazaars, vendors and applications."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from services.bazaar.domain.application import Application, Offer, Vendor
from services.bazaar.domain.bazaar import Bazaar, BazaarState, Site
from services.bazaar.domain.policy import Policy

NOW = datetime(2023, 3, 13, 10, 0, tzinfo=UTC)
CLOSING = datetime(2023, 3, 13, 10, 0, tzinfo=UTC)
RESPOND_BY = datetime(2023, 3, 15, 10, 0, tzinfo=UTC)
DAYS = (date(2023, 3, 20), date(2023, 3, 21))
KARANG_ANYAR = "31.71.02.1002"


def a_site(site_id: str = "one", booths: int = 2, **more: Any) -> Site:
    """A site in Karang Anyar."""
    return Site(site_id, f"Rusun {site_id}", "rusun", KARANG_ANYAR, booths, **{"days": DAYS, **more})


def a_bazaar(*sites: Site, state: BazaarState = "announced", policy: Policy | None = None, **more: Any) -> Bazaar:
    """A bazaar on 20 and 21 March 2023, with one site of two booths unless told otherwise."""
    fields: dict[str, Any] = {
        "bazaar_id": UUID(int=1),
        "version": 1,
        "name": "Bazar Jakpreneur",
        "theme": None,
        "organisers": ("Sudin PPKUKM",),
        "days": DAYS,
        "applications_close_at": CLOSING,
        "offer_hours": 24,
    }
    return Bazaar(**{**fields, **more}, state=state, sites=sites or (a_site(),), policy=policy or Policy())


def a_vendor(number: int = 1, **more: Any) -> Vendor:
    """A trained vendor of RW 003 in Karang Anyar."""
    fields: dict[str, Any] = {
        "kelurahan": KARANG_ANYAR,
        "rw": "003",
        "category": "food-drink",
        "agency": "ppkukm",
        "trained": True,
    }
    return Vendor(vendor_id=UUID(int=number), **{**fields, **more})


def an_application(number: int = 1, choices: Sequence[Sequence[str]] = (("one",),), **more: Any) -> Application:
    """An application of the vendor with this number."""
    fields: dict[str, Any] = {"version": 1, "state": "received", "applied_at": NOW}
    return Application(
        application_id=UUID(int=1000 + number),
        bazaar_id=UUID(int=1),
        vendor_id=UUID(int=number),
        choices=tuple(tuple(tier) for tier in choices),
        **{**fields, **more},
    )


def an_offer(site_id: str = "one", booth: str = "A01", *, promoted: bool = False) -> Offer:
    """An offer that can be answered until 15 March, 17.00 WIB."""
    return Offer(site_id, booth, RESPOND_BY, promoted)
