"""An application of one vendor to one bazaar: who may apply, and the life of the application until the booth stood.

received -> withdrawn | ineligible | queued | offered; queued -> offered (promoted);
offered -> confirmed | declined | lapsed; confirmed -> attended | missed | released.
Only an erased person leaves otherwise: queued -> withdrawn; confirmed -> declined. When the bazaar does not take place,
whatever was not over is cancelled.
Every event of an application raises its version by one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

from services.bazaar.domain.bazaar import Bazaar, answer_until, require_open
from services.bazaar.domain.explanation import RoundWords
from services.bazaar.domain.policy import Admission, Policy
from shared.errors import NotFound, Refused
from shared.events.bazaar import (
    ApplicantQueued,
    ApplicationChanged,
    ApplicationDropped,
    ApplicationEvent,
    ApplicationReceived,
    ApplicationWithdrawn,
    BoothAssigned,
    BoothConfirmed,
    BoothDeclined,
    BoothMissed,
    BoothOfferLapsed,
)

ApplicationState = Literal[
    "received",
    "withdrawn",
    "ineligible",
    "queued",
    "offered",
    "confirmed",
    "declined",
    "lapsed",
    "released",
    "attended",
    "missed",
    "cancelled",
]
"""released: confirmed, and given back before it was used; cancelled: the bazaar does not take place."""

Origin = Literal["vendor", "officer", "standing", "walk-in"]
"""Who had it made: the vendor, an officer for it, its standing interest, or an officer at the gate on the day."""

Need = Literal["power", "access", "water"]
"""What a vendor's booth must have: electricity, a way in without steps, running water."""

SEATED = ("offered", "confirmed", "attended")
"""States in which an application holds a booth; one booth is held by one application."""

VALUES_NAMED_MAX = 5
"""Named in a refusal; a policy may admit 300 kelurahan."""


class ApplicationUnknown(NotFound):
    """No application has this id, or it is another vendor's."""

    code = "application-unknown"


class VendorUnknown(Refused):
    """The vendor is not registered, or the news of it has not arrived here yet."""

    code = "unknown-vendor"


class Suspended(Refused):
    """An officer suspended the vendor from the programme's offers."""

    code = "vendor-suspended"


class TrainingMissing(Refused):
    """The bazaar's policy wants one completed training (DOMAIN A2)."""

    code = "training-missing"


class GroupMissing(Refused):
    """The bazaar takes turns by a group that this vendor has no value of, such as a category."""

    code = "group-missing"


class NotAdmitted(Refused):
    """The bazaar is for other vendors: of another product group, agency or area."""

    code = "not-admitted"


class SiteUnknown(Refused):
    """A choice names a site that the bazaar does not have."""

    code = "unknown-site"


class SiteNamedTwice(Refused):
    """Choices name a site twice, so that its rank is not clear."""

    code = "site-named-twice"


class AlreadyApplied(Refused):
    """A vendor applies once to a bazaar."""

    code = "already-applied"


class NotWithdrawable(Refused):
    """An application is taken back before the list is frozen."""

    code = "not-withdrawable"


class NotChangeable(Refused):
    """What an application asks for changes while applications are open."""

    code = "not-changeable"


class NoOpenOffer(Refused):
    """There is no offer that waits for an answer."""

    code = "no-open-offer"


class OfferExpired(Refused):
    """The answer came after the deadline."""

    code = "offer-expired"


@dataclass(frozen=True, slots=True)
class Vendor:
    """What bazaars know of a vendor, from the events of other services. `suspended_because`: code of the reason."""

    vendor_id: UUID
    kelurahan: str
    rw: str
    category: str | None
    agency: str | None
    trained: bool
    suspended_because: str | None = None

    @property
    def groups(self) -> dict[str, str]:
        """The vendor's groups for the rule of allocation; what is not known is left out."""
        known = {
            "agency": self.agency,
            "category": self.category,
            "kelurahan": self.kelurahan,
            "rw": f"{self.kelurahan}.{self.rw}",
        }
        return {group: value for group, value in known.items() if value is not None}


class Offer(NamedTuple):
    """A booth offered. It can be answered until and at `respond_by`, then it lapses.

    `remind_at`: when the vendor is reminded of it, once; None: never, or it was.
    """

    site_id: str
    booth: str
    respond_by: datetime
    promoted: bool
    remind_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Application:
    """One application. `groups` are fixed by the freeze, `place` is the one in the stored queue of the round.

    `pseudonym`: the name it bears in the published files, fixed by the freeze. `release_by`: until when its booth can
    be given back at no cost, where that is later than usual.
    """

    application_id: UUID
    bazaar_id: UUID
    vendor_id: UUID
    version: int
    state: ApplicationState
    choices: tuple[tuple[str, ...], ...]
    applied_at: datetime
    groups: Mapping[str, str] = field(default_factory=dict)
    place: int | None = None
    offer: Offer | None = None
    origin: Origin = "vendor"
    party_id: UUID | None = None
    needs: tuple[Need, ...] = ()
    pseudonym: str | None = None
    release_by: datetime | None = None

    @property
    def name_in_round(self) -> str:
        """What the files of its round call it: its pseudonym; in rounds before there were any, its id."""
        return self.pseudonym or str(self.application_id)

    @property
    def site_ids(self) -> tuple[str, ...]:
        """Every site it named, best first."""
        return tuple(site for tier in self.choices for site in tier)


class Step(NamedTuple):
    """An application after a fact, and the fact. `after.version` is the fact's sequence."""

    after: Application
    event: ApplicationEvent


def require_eligible(policy: Policy, vendor: Vendor | None) -> None:
    """Refuse a vendor that this policy does not let in. Asked when it applies, and again at the freeze."""
    if vendor is None:
        raise VendorUnknown("This vendor is not registered; just after registering, try again in a few seconds.")
    if vendor.suspended_because is not None:
        raise Suspended(
            f"This vendor is suspended from the programme's offers ({vendor.suspended_because}). Speak to an officer "
            "of its kelurahan; once it is reinstated, apply again while applications are open.",
            reason=vendor.suspended_because,
        )
    if policy.training_required and not vendor.trained:
        raise TrainingMissing("A completed training comes first; ask for the next class, then apply to a bazaar.")
    for admission in policy.admits:
        if not _admitted(admission, vendor):
            raise NotAdmitted(
                f"This bazaar is for vendors whose {admission.group} is {_listed(admission.values)}, and this one's is "
                "not.",
                group=admission.group,
                values=admission.values,
            )
    missing = [group for group in policy.groups_ranked if group not in vendor.groups]
    if missing:
        raise GroupMissing(f"This bazaar takes turns by {missing[0]}; have it recorded first.", group=missing[0])


def _listed(values: Sequence[str]) -> str:
    """The values of an admission in a sentence; of many the first few, all of them stand in the details."""
    more = len(values) - VALUES_NAMED_MAX
    return " or ".join(values) if more <= 0 else f"{', '.join(values[:VALUES_NAMED_MAX])} or one of {more} more"


def _admitted(admission: Admission, vendor: Vendor) -> bool:
    if admission.group == "area":
        return any(f"{vendor.kelurahan}.".startswith(f"{area}.") for area in admission.values)
    return vendor.groups.get(admission.group) in admission.values


def require_choices(bazaar: Bazaar, choices: Sequence[Sequence[str]]) -> None:
    """Refuse choices that name an unknown site, or one site twice."""
    known = {site.site_id for site in bazaar.sites}
    named: set[str] = set()
    for site_id in (site_id for tier in choices for site_id in tier):
        if site_id not in known:
            raise SiteUnknown(f"The bazaar has no site {site_id!r}.", site_id=site_id, sites=sorted(known))
        if site_id in named:
            raise SiteNamedTwice(f"The site {site_id!r} is named twice; name each once.", site_id=site_id)
        named.add(site_id)


def apply(
    bazaar: Bazaar,
    vendor_id: UUID,
    vendor: Vendor | None,
    choices: Sequence[Sequence[str]],
    *,
    application_id: UUID,
    now: datetime,
    origin: Origin = "vendor",
    needs: Sequence[Need] = (),
    party_id: UUID | None = None,
) -> Step:
    """A vendor applies, with tiers of sites, best first."""
    require_open(bazaar, now)
    require_eligible(bazaar.policy, vendor)
    require_choices(bazaar, choices)
    after = Application(
        application_id=application_id,
        bazaar_id=bazaar.bazaar_id,
        vendor_id=vendor_id,
        version=1,
        state="received",
        choices=tuple(tuple(tier) for tier in choices),
        applied_at=now,
        origin=origin,
        party_id=party_id,
        needs=tuple(sorted(set(needs))),
    )
    return Step(
        after,
        ApplicationReceived(
            application_id=application_id,
            bazaar_id=bazaar.bazaar_id,
            vendor_id=vendor_id,
            bazaar_name=bazaar.name,
            choices=[list(tier) for tier in choices],
            origin=origin,
            party_id=party_id,
        ),
    )


def change(
    application: Application,
    bazaar: Bazaar,
    now: datetime,
    *,
    choices: Sequence[Sequence[str]] | None = None,
    needs: Sequence[Need] | None = None,
) -> Step:
    """It asks for other sites or other needs, and keeps its moment. What is None stays; as long as one may apply."""
    if application.state != "received":
        raise NotChangeable(
            f"The application is {application.state}; what it asks for is changed while applications are open.",
            state=application.state,
        )
    require_open(bazaar, now)
    if choices is not None:
        require_choices(bazaar, choices)
    return changed(
        replace(
            application,
            choices=application.choices if choices is None else tuple(tuple(tier) for tier in choices),
            needs=application.needs if needs is None else tuple(sorted(set(needs))),
        ),
        bazaar,
    )


def changed(application: Application, bazaar: Bazaar) -> Step:
    """What this application asks for is another now: the fact of it."""
    after = _moved(application)
    return Step(
        after,
        ApplicationChanged(
            **_ids(application),
            bazaar_name=bazaar.name,
            choices=[list(tier) for tier in after.choices],
            needs=list(after.needs),
            party_id=after.party_id,
        ),
    )


def drop(application: Application, bazaar: Bazaar, because: str) -> Step:
    """At the freeze the vendor was not eligible any more. `because`: the code of the rule."""
    return Step(
        _moved(application, state="ineligible"),
        ApplicationDropped(**_ids(application), bazaar_name=bazaar.name, because=because),
    )


def withdraw(application: Application, bazaar: Bazaar) -> Step:
    """The vendor takes its application back, before the freeze; it costs no turn."""
    if application.state != "received" or bazaar.state != "announced":
        raise NotWithdrawable(
            "The list of applicants is closed. An offer can still be declined, which costs no turn.",
            state=application.state,
        )
    after = _moved(application, state="withdrawn")
    return Step(after, ApplicationWithdrawn(**_ids(application)))


def offer(application: Application, bazaar: Bazaar, offered: Offer, *, phase: Literal[1, 2] | None = None) -> Step:
    """A booth for this vendor, by the round (in this phase of the rule) or as the next in rotation."""
    site = bazaar.site(offered.site_id)
    after = _moved(application, state="offered", offer=offered)
    return Step(
        after,
        BoothAssigned(
            **_ids(application),
            bazaar_name=bazaar.name,
            site_id=offered.site_id,
            site_name=site.name,
            booth=offered.booth,
            days=list(site.days),
            respond_by=offered.respond_by,
            promoted=offered.promoted,
            phase=phase,
        ),
    )


def queue(
    application: Application, bazaar: Bazaar, decision: Mapping[str, Any], words: RoundWords | None = None
) -> Step:
    """No booth this round. `decision`: the entry under `waiting` in the round's result; `words`: those of its round."""
    told = (words or RoundWords(bazaar)).of(decision)
    event = ApplicantQueued.model_validate(
        {**_ids(application), "bazaar_name": bazaar.name, "explanation": told, **decision}
    )
    return Step(_moved(application, state="queued", place=event.place), event)


def confirm(application: Application, bazaar: Bazaar, now: datetime) -> Step:
    """The vendor takes the booth."""
    offered = _open_offer(application, now)
    site = bazaar.site(offered.site_id)
    return Step(
        _moved(application, state="confirmed"),
        BoothConfirmed(
            **_ids(application),
            bazaar_name=bazaar.name,
            site_id=offered.site_id,
            site_name=site.name,
            booth=offered.booth,
            days=list(site.days),
        ),
    )


def decline(application: Application, bazaar: Bazaar, now: datetime) -> Step:
    """The vendor gives the booth back in time; it costs no turn."""
    offered = _open_offer(application, now)
    return Step(
        _moved(application, state="declined"),
        BoothDeclined(**_ids(application), bazaar_name=bazaar.name, site_id=offered.site_id),
    )


def lapse(application: Application, bazaar: Bazaar) -> Step:
    """No answer came in time. The caller found the deadline passed."""
    assert application.offer is not None
    return Step(
        _moved(application, state="lapsed"),
        BoothOfferLapsed(**_ids(application), bazaar_name=bazaar.name, site_id=application.offer.site_id),
    )


def miss(application: Application, bazaar: Bazaar) -> Step:
    """Confirmed, and not seen on any day."""
    assert application.offer is not None
    return Step(
        _moved(application, state="missed"),
        BoothMissed(**_ids(application), bazaar_name=bazaar.name, site_id=application.offer.site_id),
    )


def leave(application: Application, bazaar: Bazaar, now: datetime) -> Step | None:
    """The person is erased: what it has not used yet is given back, so that others may have it.

    None where nothing is to be given back: it is over, or too late for anyone else to have the booth, or the offer's
    time is up (it lapses by itself), or the list is fixed and the round not published (asked again then).
    """
    match application.state:
        case "received" if bazaar.state == "announced":
            return withdraw(application, bazaar)
        case "queued":
            return Step(_moved(application, state="withdrawn"), ApplicationWithdrawn(**_ids(application)))
        case "offered" if application.offer is not None and now <= application.offer.respond_by:
            return decline(application, bazaar, now)
        case "confirmed" if application.offer is not None and _others_could_have_it(application.offer, bazaar, now):
            given_back = BoothDeclined(**_ids(application), bazaar_name=bazaar.name, site_id=application.offer.site_id)
            return Step(_moved(application, state="declined"), given_back)
    return None


def _others_could_have_it(held: Offer, bazaar: Bazaar, now: datetime) -> bool:
    return answer_until(bazaar, now, bazaar.site(held.site_id)) is not None


def _open_offer(application: Application, now: datetime) -> Offer:
    """The offer that can be answered now. At the deadline itself the answer still counts."""
    if application.state != "offered" or application.offer is None:
        raise NoOpenOffer(
            f"No offer waits for an answer: the application is {application.state}.", state=application.state
        )
    if now > application.offer.respond_by:
        raise OfferExpired(
            "The time to answer is over; the booth goes to the next in rotation.",
            respond_by=application.offer.respond_by.isoformat(),
        )
    return application.offer


def _moved(application: Application, **changes: Any) -> Application:
    return replace(application, version=application.version + 1, **changes)


def _ids(application: Application) -> dict[str, UUID]:
    return {
        "application_id": application.application_id,
        "bazaar_id": application.bazaar_id,
        "vendor_id": application.vendor_id,
    }
