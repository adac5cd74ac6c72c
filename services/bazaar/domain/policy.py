"""The policy of a bazaar: who may apply, in which order booths are shared out, within which limits."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Discriminator, Field, StrictInt, StringConstraints, Tag, model_validator

from services.bazaar.domain.values import BOOTHS_MAX, Exact, GroupValue, distinct

Group = Literal["agency", "category", "rw", "kelurahan"]
"""What vendors can be grouped by. An RW's value is `<kelurahan>.<rw>`: its number alone means nothing."""


class SeatLimit(Exact):
    """So many booths of a site for the vendors of one group: a reserve (at least) or a cap (at most)."""

    group: Group
    value: GroupValue
    seats: StrictInt = Field(ge=0, le=BOOTHS_MAX)


def require_limits(reserves: Sequence[SeatLimit], caps: Sequence[SeatLimit]) -> None:
    """Raise ValueError unless the limits of one site can hold together (docs/rotation.md)."""
    if len({limit.group for limit in (*reserves, *caps)}) > 1:
        raise ValueError("reserves and caps of one site name one group between them")
    for limits in (reserves, caps):
        if len({limit.value for limit in limits}) < len(limits):
            raise ValueError("reserves or caps name one value twice")
    most = {cap.value: cap.seats for cap in caps}
    for reserve in reserves:
        if reserve.seats > most.get(reserve.value, reserve.seats):
            raise ValueError(f"reserves more seats for {reserve.value} than its cap allows")


class GroupCap(Exact):
    """Each value of the group gets at most so many booths of the whole bazaar."""

    group: Group
    seats_each: StrictInt = Field(ge=0, le=BOOTHS_MAX)


class Level(Exact):
    """One level of the priority in rotation."""

    by: Literal["vendor", "agency", "category", "rw", "kelurahan"]
    measure: Literal["turns", "waiting_since"]


class Admission(Exact):
    """Only vendors with one of these values of the group may apply; of `area`: who lives in one of these areas."""

    group: Literal["agency", "category", "rw", "kelurahan", "area"]
    values: Annotated[list[GroupValue], AfterValidator(distinct)] = Field(min_length=1, max_length=300)


class Policy(Exact):
    """How the booths of one bazaar are shared out. By default whoever has waited longest comes first."""

    rotation: list[Level] = Field(default_factory=lambda: [Level(by="vendor", measure="waiting_since")], min_length=1)
    caps: list[GroupCap] = Field(default_factory=list)
    training_required: bool = True
    admits: list[Admission] = Field(default_factory=list, max_length=5)

    @model_validator(mode="after")
    def _name_each_once(self) -> Self:
        if len({(level.by, level.measure) for level in self.rotation}) < len(self.rotation):
            raise ValueError("rotation names one level twice")
        if len({cap.group for cap in self.caps}) < len(self.caps):
            raise ValueError("caps name one group twice")
        if len({admission.group for admission in self.admits}) < len(self.admits):
            raise ValueError("admits names one group twice")
        return self

    @property
    def groups_ranked(self) -> list[Group]:
        """The groups by which the rotation ranks; an applicant must belong to one value of each."""
        return [level.by for level in self.rotation if level.by != "vendor"]

    @property
    def groups_in_turn(self) -> list[Group]:
        """Those of them ranked by their turns, which grow while the round lasts."""
        return [level.by for level in self.rotation if level.by != "vendor" and level.measure == "turns"]


PolicyCode = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=40)]


class PolicyReference(Exact):
    """A policy by its name: the version given, else the latest at the moment when the bazaar is set up."""

    code: PolicyCode
    version: StrictInt | None = Field(default=None, ge=1, lt=2**31)


def _by_name(policy: object) -> str:
    named = isinstance(policy, PolicyReference) or (isinstance(policy, Mapping) and "code" in policy)
    return "name" if named else "document"


PolicyChoice = Annotated[
    Annotated[Policy, Tag("document")] | Annotated[PolicyReference, Tag("name")], Discriminator(_by_name)
]
"""A policy as a document, or by its name."""
