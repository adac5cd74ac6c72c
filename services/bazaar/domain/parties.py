"""Parties: vendors who want to stand together at one bazaar, each with an application of its own.

Who makes a party leads it and tells its code to those it wants beside it; they join by their own consent. A party has
one list of choices, its leader's: who joins takes them over, and when the leader changes them they change for all, so
that at the freeze all members name the same. When the leader goes, the one who joined first after it leads. Until
applications close members come, until the freeze they may go; who is alone at the freeze is an applicant like others.
What becomes of a party without room for all is `if_apart`: "none" (all or nobody) or "split" (each for itself).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import Literal, NamedTuple
from uuid import UUID

from services.bazaar.domain.application import Application, NotChangeable, Step, changed, require_choices
from services.bazaar.domain.bazaar import Bazaar, require_open
from services.bazaar.domain.pseudonyms import CROCKFORD
from shared.errors import NotFound, Refused

IfApart = Literal["none", "split"]

SIZE_MAX = 10
"""Members of a party: more would hardly ever find room together, and make a fair of friends out of a public one."""

CODE_CHARACTERS = 12
CODE_BYTES = 8
"""Chance that a code is made of: 60 bits of it are used, so that nobody comes upon one by trying."""


class PartyUnknown(NotFound):
    """No party of this bazaar has this code, or everybody has left it."""

    code = "party-unknown"


class PartyFull(Refused):
    """As many have joined as the party is for."""

    code = "party-full"


class InPartyAlready(Refused):
    """An application belongs to one party."""

    code = "in-party-already"


class NotInParty(Refused):
    """The application belongs to no party."""

    code = "not-in-party"


class LeaderDecides(Refused):
    """What a party chooses, and who hears its code, is its leader's to say."""

    code = "leader-decides"


@dataclass(frozen=True, slots=True)
class Party:
    """A party for at most `size` members."""

    party_id: UUID
    bazaar_id: UUID
    if_apart: IfApart
    size: int


class Member(NamedTuple):
    """An application in a party, and the how-manieth to join it was."""

    application: Application
    nth: int


def new_code(chance: bytes) -> str:
    """A code to be told, such as K7Q2-9XMD-04TB, from `CODE_BYTES` of chance, of more than that from the first."""
    number = int.from_bytes(chance[:CODE_BYTES])
    characters = "".join(CROCKFORD[number >> 5 * at & 31] for at in range(CODE_CHARACTERS))
    return "-".join(characters[at : at + 4] for at in range(0, CODE_CHARACTERS, 4))


def code_hash(bazaar_id: UUID, code: str) -> bytes:
    """What is kept of a code: as it was meant, whether typed with small letters, spaces or an O for a zero."""
    meant = "".join(one for one in code.upper() if one.isalnum()).translate(str.maketrans("OIL", "011"))
    return sha256(bazaar_id.bytes + meant.encode()).digest()


def leader(members: Sequence[Member]) -> Application:
    """Who leads: of those who are in it the one who joined first."""
    return min(members, key=lambda member: member.nth).application


def begin(application: Application, bazaar: Bazaar, party: Party, now: datetime) -> Step:
    """An applicant makes a party, and is its first member."""
    require_free(application)
    require_open(bazaar, now)
    return changed(replace(application, party_id=party.party_id), bazaar)


def require_room(party: Party, members: Sequence[Member]) -> None:
    """Refuse to join a party that everybody left, or in which nobody has room any more."""
    if not members:
        raise PartyUnknown("Everybody has left this party; make one of your own.")
    if len(members) >= party.size:
        raise PartyFull(
            f"This party is for {party.size}, and as many have joined. Apply alone, or make a party of your own.",
            size=party.size,
        )


def join(party: Party, members: Sequence[Member], application: Application, bazaar: Bazaar, now: datetime) -> Step:
    """An applicant joins a party and takes over its choices."""
    require_free(application)
    require_open(bazaar, now)
    require_room(party, members)
    return changed(replace(application, party_id=party.party_id, choices=leader(members).choices), bazaar)


def leave(application: Application, bazaar: Bazaar) -> Step:
    """A member goes, until the freeze; it keeps the choices, and its moment."""
    if application.party_id is None:
        raise NotInParty("This application belongs to no party.")
    if application.state != "received" or bazaar.state != "announced":
        raise NotChangeable(
            "The list of applicants is closed; parties stand as they were then.", state=application.state
        )
    return changed(replace(application, party_id=None), bazaar)


def choose(
    members: Sequence[Member],
    application: Application,
    bazaar: Bazaar,
    now: datetime,
    choices: Sequence[Sequence[str]],
) -> list[Step]:
    """The leader changes the party's choices: those of every member, in the order of ids."""
    require_leader(members, application)
    require_open(bazaar, now)
    require_choices(bazaar, choices)
    tiers = tuple(tuple(tier) for tier in choices)
    concerned = sorted((member.application for member in members), key=lambda one: one.application_id)
    return [changed(replace(one, choices=tiers), bazaar) for one in concerned]


def require_leader(members: Sequence[Member], application: Application) -> None:
    """Refuse a member that does not lead the party."""
    if not members or leader(members).application_id != application.application_id:
        raise LeaderDecides("This is for the leader of your party to say; leave the party to choose for yourself.")


def require_free(application: Application) -> None:
    """Refuse an application that is in a party, or no longer open to any."""
    if application.state != "received":
        raise NotChangeable(
            f"The application is {application.state}; parties are made and joined while applications are open.",
            state=application.state,
        )
    if application.party_id is not None:
        raise InPartyAlready("This application belongs to a party already; leave that first.")
