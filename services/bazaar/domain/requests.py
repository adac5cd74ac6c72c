"""Requests of a kelurahan for a bazaar of its own: asked for there, decided by whoever answers for a wider area."""

from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from lokal.wilayah import wilayah_name
from pydantic import AfterValidator, Field, StrictInt, StringConstraints, ValidationError, model_validator

from services.bazaar.domain.bazaar import DraftBazaar, Organiser
from services.bazaar.domain.policy import Policy, PolicyChoice
from services.bazaar.domain.values import BOOTHS_MAX, Day, Exact, Label, Moment
from shared.clock import day_in_jakarta
from shared.errors import Forbidden, NotFound, Refused
from shared.events.bazaar import BazaarRequestDecided, BazaarRequested
from shared.events.values import KelurahanCode

RequestState = Literal["waiting", "approved", "refused"]
RequestReason = Literal["demand", "no-bazaar-nearby", "local-event", "training-finished", "other"]
RefusalReason = Literal["no-booths", "days-taken", "venue-unfit", "too-soon", "duplicate", "other"]

AHEAD_DAYS_MAX = 366
SITE_ID = "kelurahan"
"""Id of the one site of a bazaar that was asked for."""


class RequestUnknown(NotFound):
    """No request has this id, or it is of a kelurahan outside the caller's area."""

    code = "request-unknown"


class RequestDecided(Refused):
    """The request was decided before."""

    code = "request-decided"


class NotOwnKelurahan(Forbidden):
    """A request is made by an officer of that kelurahan."""

    code = "not-own-kelurahan"


class DecidedByWider(Forbidden):
    """A request is decided by somebody else, whose area is wider than the kelurahan."""

    code = "decided-by-wider"


class RequestUnfit(Refused):
    """The bazaar asked for cannot be."""

    code = "request-unfit"
    status = 422


def _real_kelurahan(code: str) -> str:
    if wilayah_name(code) is None:
        raise ValueError("no kelurahan has this code")
    return code


Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2_000)]
"""What a person writes; it is kept sealed."""


class RequestBazaar(Exact):
    """Command: a kelurahan asks for a bazaar. `why`: in its own words; `reasons`: as codes."""

    kelurahan: Annotated[KelurahanCode, AfterValidator(_real_kelurahan)]
    days: list[Day] = Field(min_length=1, max_length=31)
    venue: Label | None = None
    venue_type: Label | None = None
    venue_id: UUID | None = None
    booths: StrictInt = Field(ge=1, le=BOOTHS_MAX)
    reasons: list[RequestReason] = Field(min_length=1, max_length=5)
    why: Text | None = None

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if sorted(set(self.days)) != self.days:
            raise ValueError("days are given in order, each once")
        if len(set(self.reasons)) < len(self.reasons):
            raise ValueError("reasons name one twice")
        if self.venue is None and self.venue_id is None:
            raise ValueError("name the venue, or give the id of one that is known")
        return self


class ApproveRequest(Exact):
    """Command: it becomes a bazaar, a draft. What is left out is as it was asked for."""

    name: Label | None = None
    organisers: list[Label | Organiser] = Field(min_length=1, max_length=20)
    applications_close_at: Moment
    applications_open_at: Moment | None = None
    days: list[Day] | None = Field(default=None, min_length=1, max_length=31)
    venue: Label | None = None
    venue_type: Label | None = None
    booths: StrictInt | None = Field(default=None, ge=1, le=BOOTHS_MAX)
    policy: PolicyChoice = Field(default_factory=Policy)


class RefuseRequest(Exact):
    """Command: not this one. `note`: a word to those who asked."""

    because: RefusalReason
    note: Text | None = None


@dataclass(frozen=True, slots=True)
class BazaarRequest:
    """A request as it stands; texts written by people are kept apart from it, sealed."""

    request_id: UUID
    version: int
    state: RequestState
    kelurahan: str
    days: tuple[date, ...]
    venue: str | None
    venue_type: str | None
    venue_id: UUID | None
    booths: int
    reasons: tuple[str, ...]
    requested_by: str
    requested_at: datetime
    decided_by: str | None = None
    decided_at: datetime | None = None
    refused_because: str | None = None
    bazaar_id: UUID | None = None


def require_own(area: str | None, kelurahan: str) -> None:
    """Refuse whoever does not answer for just this kelurahan."""
    if area != kelurahan:
        raise NotOwnKelurahan(
            "A request is made by an officer of that kelurahan. Whose area is wider sets the bazaar up itself.",
            area=area,
            kelurahan=kelurahan,
        )


def ask(command: RequestBazaar, request_id: UUID, *, by: str, now: datetime) -> tuple[BazaarRequest, BazaarRequested]:
    """A kelurahan asks for a bazaar on days to come."""
    today = day_in_jakarta(now)
    if not 0 < (command.days[0] - today).days <= AHEAD_DAYS_MAX:
        raise RequestUnfit(
            f"days must begin after today ({today}), at most {AHEAD_DAYS_MAX} days ahead.", today=today.isoformat()
        )
    request = BazaarRequest(
        request_id=request_id,
        version=1,
        state="waiting",
        kelurahan=command.kelurahan,
        days=tuple(command.days),
        venue=command.venue,
        venue_type=command.venue_type,
        venue_id=command.venue_id,
        booths=command.booths,
        reasons=tuple(command.reasons),
        requested_by=by,
        requested_at=now,
    )
    return request, BazaarRequested(request_id=request_id, kelurahan=command.kelurahan, days=command.days)


def approve(
    request: BazaarRequest, command: ApproveRequest, bazaar_id: UUID, *, by: str, area: str | None, now: datetime
) -> tuple[BazaarRequest, BazaarRequestDecided, DraftBazaar]:
    """It becomes a bazaar with this id. Raises `RequestUnfit` when that cannot be."""
    _require_decider(request, by, area)
    if command.venue_type is None and request.venue_type is None:
        raise RequestUnfit("The kelurahan did not say of which type the venue is; give venue_type, for example rusun.")
    if command.venue is None and request.venue is None:
        raise RequestUnfit("The kelurahan gave only the id of the venue; give its name in venue.")
    try:
        draft = DraftBazaar.model_validate(
            {
                "name": command.name or f"Bazar Kelurahan {wilayah_name(request.kelurahan)}",
                "organisers": command.organisers,
                "days": command.days or request.days,
                "applications_close_at": command.applications_close_at,
                "applications_open_at": command.applications_open_at,
                "policy": command.policy,
                "sites": [
                    {
                        "site_id": SITE_ID,
                        "name": command.venue or request.venue,
                        "venue_type": command.venue_type or request.venue_type,
                        "venue_id": request.venue_id,
                        "kelurahan": request.kelurahan,
                        "booths": command.booths or request.booths,
                    }
                ],
            }
        )
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, one['loc'])) or 'bazaar'}: {one['msg']}" for one in error.errors()]
        raise RequestUnfit(
            f"The bazaar asked for cannot be set up so: {'; '.join(problems)}.", problems=problems
        ) from None
    return *_decided(request, "approved", by, now, bazaar_id=bazaar_id), draft


def refuse(
    request: BazaarRequest, because: RefusalReason, *, by: str, area: str | None, now: datetime
) -> tuple[BazaarRequest, BazaarRequestDecided]:
    """Not this one."""
    _require_decider(request, by, area)
    return _decided(request, "refused", by, now, refused_because=because)


def _require_decider(request: BazaarRequest, by: str, area: str | None) -> None:
    if by == request.requested_by or area == request.kelurahan:
        raise DecidedByWider(
            "A request is decided by somebody else than who made it, whose area is wider than the kelurahan.",
            kelurahan=request.kelurahan,
        )
    if request.state != "waiting":
        raise RequestDecided(f"This request is {request.state} already.", state=request.state)


def _decided(
    request: BazaarRequest,
    state: RequestState,
    by: str,
    now: datetime,
    *,
    bazaar_id: UUID | None = None,
    refused_because: str | None = None,
) -> tuple[BazaarRequest, BazaarRequestDecided]:
    after = replace(
        request,
        version=request.version + 1,
        state=state,
        decided_by=by,
        decided_at=now,
        bazaar_id=bazaar_id,
        refused_because=refused_because,
    )
    event = BazaarRequestDecided(
        request_id=request.request_id,
        kelurahan=request.kelurahan,
        approved=state == "approved",
        bazaar_id=bazaar_id,
    )
    return after, event
