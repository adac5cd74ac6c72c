"""Storefronts: a vendor's page at a marketplace, shown for one bazaar because the vendor wants it (DOMAIN A5, D2)."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Annotated, Literal
from urllib.parse import SplitResult, urlsplit
from uuid import UUID

from lokal import detect_pii
from pydantic import Field, StringConstraints

from services.bazaar.domain.application import Application
from services.bazaar.domain.values import Exact, Label
from services.bazaar.marketplaces import marketplaces
from shared.errors import Conflict, NotFound, Refused

StorefrontState = Literal["submitted", "approved", "hidden"]
HiddenBecause = Literal["wrong-link", "not-own-products", "personal-data", "offensive", "not-allowed", "other"]

HIGHLIGHTS_MAX = 5
PRIVATE = ("NIK", "KK", "NPWP", "PASSPORT", "BANK_ACCOUNT", "CARD", "PHONE", "EMAIL")
"""Kinds of personal data that no page shows. Names and addresses are not among them: "Warung Bu Tini, Jl. Enim 5" is a
business and where it stands."""

PARTICIPANTS = ("confirmed", "attended")
"""States of an application whose vendor takes part in the bazaar."""


class StorefrontUnknown(NotFound):
    """This application has no storefront."""

    code = "storefront-unknown"


class NotAParticipant(Refused):
    """Only who has a confirmed place in the bazaar is shown there."""

    code = "not-a-participant"


class LinkRefused(Refused):
    """The address is none that may be shown."""

    code = "link-refused"
    status = 422


class PersonalDataShown(Refused):
    """What everybody will read holds a phone number, an address of a mailbox or a NIK."""

    code = "personal-data-shown"
    status = 422


class ShopTaken(Refused):
    """Another vendor of this bazaar has this shop, or this code within it."""

    code = "shop-taken"


class StorefrontChanged(Conflict):
    """Since the officer looked, the vendor changed what it shows."""

    code = "storefront-changed"


Url = Annotated[str, StringConstraints(strip_whitespace=True, min_length=10, max_length=500, pattern=r"^[\x21-\x7e]+$")]
Shop = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, to_lower=True, min_length=2, max_length=80, pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]*$"
    ),
]
SkuCode = Annotated[str, StringConstraints(to_upper=True, pattern=r"^[A-Za-z0-9]{2,20}$")]
ShortText = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80, pattern=r"^[^\x00-\x1f\x7f]+$")
]


class SubmitStorefront(Exact):
    """Command: show this page and these products, under this name of the business, to everybody.

    `shown_publicly` is the vendor's consent. `shop`: the shop's name in the marketplace's sales file, unless it is the
    first part of the address' path. `sku_code`: with what the codes of the vendor's products begin (`BT` of `BT-001`),
    where several vendors share one shop.
    """

    shown_publicly: Literal[True]
    marketplace: str = Field(max_length=40)
    url: Url
    title: Label
    highlights: list[ShortText] = Field(default_factory=list, max_length=HIGHLIGHTS_MAX)
    shop: Shop | None = None
    sku_code: SkuCode | None = None


class DecideStorefront(Exact):
    """Command: let everybody see the storefront as it is in this version, or hide it and say why."""

    version: int
    decision: Literal["approve", "hide"]
    because: HiddenBecause | None = None


@dataclass(frozen=True, slots=True)
class Storefront:
    """A storefront; `version` counts what the vendor submitted."""

    application_id: UUID
    bazaar_id: UUID
    version: int
    state: StorefrontState
    marketplace: str
    url: str
    shop: str
    sku_code: str | None
    title: str
    highlights: tuple[str, ...]
    hidden_because: HiddenBecause | None = None


def require_participant(application: Application) -> None:
    """Refuse who has no confirmed place."""
    if application.state not in PARTICIPANTS:
        raise NotAParticipant(
            f"Only a vendor with a confirmed place can do this; this application is {application.state}. Confirm the "
            "offer first.",
            state=application.state,
        )


def require_link(url: str, hosts: Iterable[str], field: str) -> SplitResult:
    """The parts of an address that may be shown: https, at one of these hosts, with nothing hidden in it."""
    allowed = sorted(hosts)
    try:
        parts = urlsplit(url)
        plain = parts.port is None and parts.username is None and parts.password is None
    except ValueError:
        raise LinkRefused(f"{field} is not an address like https://{allowed[0]}/toko.", field=field) from None
    if parts.scheme != "https" or not plain or parts.hostname not in allowed:
        raise LinkRefused(
            f"{field} must begin with https:// and lead to one of {', '.join(allowed)}.", field=field, hosts=allowed
        )
    return parts


def require_no_personal_data(texts: Iterable[str]) -> None:
    """Refuse texts for everybody that hold what leads to a person."""
    for kind in (match.type for text in texts for match in detect_pii(text)):
        if kind in PRIVATE:
            raise PersonalDataShown(
                f"What everybody reads must not hold personal data (found: {kind}). Take it out; buyers reach you "
                "through the marketplace.",
                kind=kind,
            )


def submit(application: Application, command: SubmitStorefront, before: Storefront | None) -> Storefront:
    """What the vendor wants to show from now on; an officer looks at it before anybody else does."""
    require_participant(application)
    known = marketplaces()
    market = known.get(command.marketplace)
    if market is None:
        raise LinkRefused(
            f"No marketplace has the code {command.marketplace!r}; there are {', '.join(sorted(known))}.",
            field="marketplace",
            marketplaces=sorted(known),
        )
    parts = require_link(command.url, market.hosts, "url")
    require_no_personal_data([command.title, *command.highlights])
    shop = command.shop or parts.path.strip("/").partition("/")[0].lower()
    if len(shop) < 2:
        raise LinkRefused("url leads to the marketplace's front page. Give the address of the shop.", field="url")
    return Storefront(
        application_id=application.application_id,
        bazaar_id=application.bazaar_id,
        version=1 if before is None else before.version + 1,
        state="submitted",
        marketplace=command.marketplace,
        url=command.url,
        shop=shop[:80],
        sku_code=command.sku_code,
        title=command.title,
        highlights=tuple(command.highlights),
    )


def decide(storefront: Storefront, command: DecideStorefront) -> Storefront:
    """An officer approves or hides it. To do the same again changes nothing."""
    if storefront.version != command.version:
        raise StorefrontChanged(
            f"The storefront is version {storefront.version} now, you looked at {command.version}. Look again.",
            version=storefront.version,
        )
    if command.decision == "approve":
        return replace(storefront, state="approved", hidden_because=None)
    return replace(storefront, state="hidden", hidden_because=command.because or "other")
