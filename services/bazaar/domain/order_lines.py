"""What lines of a marketplace's sales file mean for a bazaar: whose sale each is, and what changed since the last file.

A line counts once however often it is imported; one that is cancelled or returned in a later file counts no more.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import NamedTuple
from uuid import UUID

from services.bazaar.domain.application import Application
from services.bazaar.domain.bazaar import Bazaar, WrongMoment
from services.bazaar.domain.storefronts import PARTICIPANTS, Storefront
from services.bazaar.sales_files import Fault, OrderLine
from shared.errors import Refused


class MarketplaceUnknown(Refused):
    """No marketplace has this code."""

    code = "marketplace-unknown"
    status = 422


class Entry(NamedTuple):
    """One line of one order, as it is kept."""

    sha256: bytes
    order_sha256: bytes
    application_id: UUID
    day: date
    counted: bool
    pieces: int
    amount_rupiah: int


class Assessed(NamedTuple):
    """A file, seen from this bazaar. `ignored`: lines that say nothing yet, such as orders not paid."""

    entries: list[Entry]
    faults: list[Fault]
    ignored: int


class Changes(NamedTuple):
    """What an import changes: rows to be written, how many of each kind, and whose sums of which days are new."""

    written: list[Entry]
    added: int
    changed: int
    unchanged: int
    touched: set[tuple[UUID, date]]


def require_sales_time(bazaar: Bazaar) -> None:
    """Refuse sales of a bazaar that has not begun to be held."""
    if bazaar.state not in ("allocated", "finished"):
        raise WrongMoment(
            f"Sales are imported once booths are allocated; this bazaar is {bazaar.state}.", state=bazaar.state
        )


class Matching:
    """Whose sale a line is: by the shop in it, and within a shop of several vendors by its product's code."""

    def __init__(self, storefronts: Iterable[Storefront], shop: str | None) -> None:
        self._shop = shop.casefold() if shop else None
        self._alone: dict[str, UUID] = {}
        self._by_code: dict[tuple[str, str], UUID] = {}
        for one in storefronts:
            if one.sku_code is None:
                self._alone[one.shop] = one.application_id
                self._alone.setdefault(one.title.casefold(), one.application_id)
            else:
                self._by_code[one.shop, one.sku_code] = one.application_id
                self._by_code.setdefault((one.title.casefold(), one.sku_code), one.application_id)

    def find(self, line: OrderLine) -> UUID | None:
        """The application of the vendor that sold this; None when nobody here did."""
        shop = line.shop or self._shop or ""
        code = line.sku.partition("-")[0]
        return self._by_code.get((shop, code)) or self._alone.get(shop)


def assess(
    bazaar: Bazaar,
    lines: Sequence[OrderLine],
    faults: Sequence[Fault],
    matching: Matching,
    applications: Mapping[UUID, Application],
    known: Mapping[bytes, Entry],
    today: date,
) -> Assessed:
    """Each line as an entry of its vendor, or what is wrong with it. `known`: what earlier files said of them."""
    entries: list[Entry] = []
    wrong = list(faults)
    ignored = 0
    for line in lines:
        before = known.get(line.sha256)
        day = before.day if line.day is None and before is not None else line.day
        if day is None or line.outcome == "unpaid":
            ignored += 1
            continue
        application = applications.get(matching.find(line) or UUID(int=0))
        if application is None or application.offer is None or application.state not in PARTICIPANTS:
            wrong.append(_nobody(line))
            continue
        days = bazaar.site(application.offer.site_id).days
        if day not in days or day > today:
            wrong.append(_outside(line, day, days))
            continue
        entries.append(
            Entry(
                line.sha256,
                line.order_sha256,
                application.application_id,
                day,
                line.outcome == "counted",
                line.pieces,
                line.amount_rupiah,
            )
        )
    return Assessed(entries, sorted(wrong), ignored)


def _nobody(line: OrderLine) -> Fault:
    field, value = ("shop", line.shop) if line.shop else ("sku", line.sku)
    reason = "belongs to no vendor with a confirmed place and a storefront here"
    fix = "have the vendor submit its storefront with this shop (or sku_code), or name the shop with the upload"
    return Fault(line.line, field, value[:60], "vendor-not-matched", reason, fix)


def _outside(line: OrderLine, day: date, days: Sequence[date]) -> Fault:
    reason = f"is none of the days on which this vendor sells here ({days[0].isoformat()} to {days[-1].isoformat()})"
    fix = "leave the line out: it is no sale of this bazaar"
    return Fault(line.line, "paid_at", day.isoformat(), "outside-the-bazaar", reason, fix)


def compare(entries: Iterable[Entry], known: Mapping[bytes, Entry]) -> Changes:
    """What is new or different. A sale that moved to another day or vendor touches both."""
    changes = Changes([], 0, 0, 0, set())
    added = changed = unchanged = 0
    for entry in entries:
        before = known.get(entry.sha256)
        if before == entry:
            unchanged += 1
            continue
        if before is None:
            added += 1
        else:
            changed += 1
            changes.touched.add((before.application_id, before.day))
        changes.written.append(entry)
        if entry.counted or before is not None:
            changes.touched.add((entry.application_id, entry.day))
    return changes._replace(added=added, changed=changed, unchanged=unchanged)
