"""What each agency did for a vendor, and graduates shared among agencies without counting anybody twice."""

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from services.training.api.access import require_side
from services.training.domain.contributions import active_months, describe, shares
from services.training.store import contributions as store
from shared import families
from shared.clock import day_in_jakarta
from shared.errors import Forbidden, Refused
from shared.events.values import AreaCode
from shared.http import EdgeDep

router = APIRouter(prefix="/v1", tags=["graduation"])

Day = Annotated[date, Query(ge=date(2000, 1, 1), le=date(2199, 12, 31))]


class PeriodRefused(Refused):
    """The last day lies before the first."""

    code = "period-refused"
    status = 422


class SpellView(BaseModel):
    """From a day to a day, both included; none: it still goes on."""

    first: date = Field(alias="from", serialization_alias="from")
    until: date | None


class AgencyView(BaseModel):
    """What an agency did for a vendor."""

    agency: str
    coached: list[SpellView]
    visits: int
    first_visit_on: date | None
    last_visit_on: date | None
    cases_solved: int


class FosterView(SpellView):
    """A foster mentor (bapak or ibu angkat) had the vendor in its group; without public money."""

    mentor_id: UUID
    funding: str
    visits: int


class CompletedView(BaseModel):
    """A class that the vendor completed, and who gave it."""

    class_id: UUID
    course: str
    completed_on: date
    provider_id: UUID | None


class ContributionsView(BaseModel):
    """What was done for a vendor until now. `months`: agency -> calendar months in which it did something; `shares`:
    how the vendor would be shared among agencies, in thousandths, if it graduated today.
    """

    vendor_id: UUID
    agencies: list[AgencyView]
    foster_mentors: list[FosterView]
    trainings: list[CompletedView]
    months: dict[str, int]
    shares: dict[str, int]


class AgencyShareView(BaseModel):
    """An agency: on how many graduates it worked, and its share of them, in thousandths of a graduate."""

    agency: str
    graduates: int
    share_thousandths: int
    months: int = Field(description="Calendar months in which it did something for them, over all of them")


class AgencyReport(BaseModel):
    """Graduates of an area and a time, shared among agencies: the shares, and 1000 for each graduate on whom no agency
    worked, add up to 1000 for each graduate.
    """

    area: str
    first: date
    last: date
    graduates: int
    without_agency: int
    agencies: list[AgencyShareView]


@router.get("/vendors/{vendor_id}/contributions", response_model=ContributionsView)
async def show_contributions(edge: EdgeDep, vendor_id: UUID) -> ContributionsView:
    """What each agency did for a vendor over time: for the vendor itself and officers of where it lives."""
    async with edge.read() as conn:
        family = await families.find_family(conn, vendor_id)
        await require_side(conn, edge.caller, family[0])
        done = await store.find_record(conn, family)
    months = active_months(done, day_in_jakarta(edge.now))
    return ContributionsView.model_validate(
        {"vendor_id": vendor_id, **describe(done), "months": months, "shares": shares(months)}
    )


@router.get("/graduation/agencies", response_model=AgencyReport)
async def report_agencies(edge: EdgeDep, first: Day, last: Day, area: AreaCode | None = None) -> AgencyReport:
    """Who graduated in an area from a day to a day, and which agencies worked on it: for its officers."""
    caller = edge.caller
    caller.require("officer")
    if caller.area is None:
        raise Forbidden("This token names no area; an officer answers for one.")
    asked = area or caller.area
    caller.require_area(asked)
    if last < first:
        raise PeriodRefused("`last` lies before `first`; ask for a period that ends after it begins.")
    async with edge.read() as conn:
        graduates, without_agency, agencies = await store.sum_shares(conn, asked, first, last)
    return AgencyReport(
        area=asked,
        first=first,
        last=last,
        graduates=graduates,
        without_agency=without_agency,
        agencies=[AgencyShareView(**one._asdict()) for one in agencies],
    )
