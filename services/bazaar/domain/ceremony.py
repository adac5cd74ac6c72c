"""How the seed of a round is drawn: said before the freeze, done after it, and open to everyone.

Three ways, of which one is fixed before the list is frozen, so that nobody can look at the list or at a value first and
then choose the way that suits:

- `ceremony`: several officials commit to secrets and then reveal them (below).
- `beacon`: a public source of random values, named beforehand. Which of its values counts follows from the moment of
  the freeze: the first at or after `minutes_after_freeze`. Nobody knows it then, and nobody can wait for a better one.
- `public-draw`: drawn in front of witnesses and typed in with its source; what is used when nothing else was said.

The ceremony, commit and reveal. Each official makes a secret of 32 random bytes at home and hands in only its hash.
When nobody more can join, all reveal, and the seed is the hash of all secrets together. One honest official suffices:
a seed that contains one secret which nobody else knew cannot have been aimed at. What remains is *withholding*: the
last to reveal can compute the seed before anyone else and keep silent if it does not like it. It cannot choose another
seed, only refuse this one; that is why a ceremony with an official who does not reveal in time has failed, for ever and
visibly: its commitments and secrets stay on the public record, with the office that kept silent, and another attempt
begins with new secrets. One bit of choice bought at the price of being seen, each time it is used.

A secret is 64 hexadecimal digits because a short one could be guessed from its hash by whoever commits last, who could
then aim. A commitment handed in before is refused, in whatever attempt: who copies another's could only repeat it.
"""

import hmac
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Annotated, Any, Literal, NamedTuple, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StrictInt, StringConstraints, model_validator

from services.bazaar.allocation import Malformed
from services.bazaar.allocation.problem import canonical_json
from services.bazaar.domain.bazaar import Bazaar, WrongMoment
from services.bazaar.domain.values import Exact, Label
from shared.errors import Refused
from shared.malformed import parse_json

OFFICIALS_MIN_DEFAULT = 3
OFFICIALS_MAX = 12
LATE_VALUE = timedelta(hours=1)
"""A beacon's value so much later than it was due is not the next one: the beacon had failed, and that must be said."""

SeedBy = Literal["public-draw", "beacon", "ceremony"]
CeremonyState = Literal["committing", "revealing", "drawn", "failed"]

Hash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Link = Annotated[str, StringConstraints(pattern=r"^https://[\x21-\x7e]+$", max_length=300)]


class SeedPlanFixed(Refused):
    """How the seed is drawn is said before the list is frozen, and holds from then on."""

    code = "seed-plan-fixed"


class SeedDrawnOtherwise(Refused):
    """Another way of drawing the seed was announced."""

    code = "seed-drawn-otherwise"


class BeaconMoment(Refused):
    """The beacon's value is not the one that was announced: it lies too early, too late, or in the future."""

    code = "beacon-moment"


class NoCeremony(Refused):
    """No ceremony is under way in this bazaar."""

    code = "no-ceremony"


class CommitsClosed(Refused):
    """Nobody joins a ceremony once its secrets may be revealed."""

    code = "commits-closed"


class CommitsOpen(Refused):
    """Nothing is revealed while somebody can still commit."""

    code = "commits-open"


class CommittedAlready(Refused):
    """An official commits once to a ceremony; a commitment is handed in once."""

    code = "committed-already"


class TooManyOfficials(Refused):
    """A ceremony has a limit of officials."""

    code = "too-many-officials"


class TooFewOfficials(Refused):
    """Fewer officials have committed than were announced."""

    code = "too-few-officials"


class NotCommitted(Refused):
    """Who reveals has committed before."""

    code = "not-committed"
    status = 403


class SecretWrong(Refused):
    """The secret is not the one that was committed to."""

    code = "secret-wrong"


class RevealedAlready(Refused):
    """A secret is revealed once."""

    code = "revealed-already"


class RevealOver(Refused):
    """The time to reveal is over; this ceremony has failed."""

    code = "reveal-over"


class Beacon(Exact):
    """A public source of random values that nobody of the programme controls, such as drand, or the national lottery.

    Its value of the round is the first at or after so many minutes from the freeze.
    """

    name: Label
    link: Link
    minutes_after_freeze: StrictInt = Field(default=10, ge=1, le=7 * 24 * 60)


class SeedPlan(Exact):
    """Command, and what everyone may read: how the seed of this bazaar's round will be drawn."""

    by: SeedBy
    beacon: Beacon | None = None
    officials_min: StrictInt = Field(default=OFFICIALS_MIN_DEFAULT, ge=2, le=OFFICIALS_MAX)
    commit_minutes: StrictInt = Field(default=60, ge=5, le=7 * 24 * 60)
    reveal_minutes: StrictInt = Field(default=60, ge=5, le=7 * 24 * 60)

    @model_validator(mode="after")
    def _name_its_beacon(self) -> Self:
        if (self.beacon is not None) != (self.by == "beacon"):
            raise ValueError("a plan by beacon names its beacon, and no other plan does")
        return self


PUBLIC_DRAW = SeedPlan(by="public-draw")
"""What is used when nothing else was said before the freeze."""


class DrawSeed(Exact):
    """Command: the value that was drawn in public after the freeze. Of a beacon also which value it is.

    `late_because`: why it is not the beacon's first value after the moment that was announced.
    """

    seed: str = Field(min_length=1, max_length=200, pattern=r"^[\x20-\x7e]+$")
    source: Label
    beacon_round: Label | None = None
    drawn_at: AwareDatetime | None = None
    link: Link | None = None
    late_because: Literal["beacon-silent"] | None = None


class Commit(Exact):
    """Command: an official's sealed secret. `office`: for whom it stands, as everyone will read; no person's name."""

    commitment: Hash
    office: Label


class Reveal(Exact):
    """Command: the secret, 64 hexadecimal digits, of which the commitment is the SHA-256."""

    secret: Hash


def require_plannable(bazaar: Bazaar) -> None:
    """Refuse to say how the seed is drawn once the list is frozen."""
    if bazaar.state not in ("draft", "tentative", "announced"):
        raise SeedPlanFixed(
            "How the seed is drawn is said before the list is frozen; what was said then holds.", state=bazaar.state
        )


def due_at(beacon: Beacon, frozen_at: datetime) -> datetime:
    """From when on the next value of the beacon is the one."""
    return frozen_at + timedelta(minutes=beacon.minutes_after_freeze)


def source_typed_in(plan: SeedPlan, command: DrawSeed, frozen_at: datetime, now: datetime) -> str:
    """The source of a seed that is typed in, as it is published.

    Refused where a ceremony was announced, and for a value of a beacon that is not the one announced.
    """
    if plan.by == "ceremony":
        raise SeedDrawnOtherwise(
            "This bazaar's seed is drawn by officials in a ceremony, as was said before the freeze.",
            announced=plan.by,
        )
    if plan.beacon is None:
        return command.source
    due = due_at(plan.beacon, frozen_at)
    if command.drawn_at is None or command.beacon_round is None or command.link is None:
        raise SeedDrawnOtherwise(
            f"This bazaar's seed is a value of {plan.beacon.name}, as was said before the freeze: "
            "give beacon_round, drawn_at and link too.",
            announced=plan.by,
            due_at=due.isoformat(),
        )
    if not due <= command.drawn_at <= now:
        raise BeaconMoment(
            "drawn_at: the value of the beacon is its first at or after due_at; this one is too early, or yet to come.",
            due_at=due.isoformat(),
        )
    if command.drawn_at >= due + LATE_VALUE and command.late_because is None:
        raise BeaconMoment(
            "drawn_at: this is not the beacon's first value after due_at. Where the beacon was silent, say so in "
            "late_because: it will be published.",
            due_at=due.isoformat(),
        )
    late = "" if command.late_because is None else f" ({command.late_because})"
    return (
        f"{command.source}; {plan.beacon.name} {command.beacon_round}, {command.drawn_at.isoformat()}{late}, "
        f"{command.link}"
    )


@dataclass(frozen=True, slots=True)
class Part:
    """An official's part in a ceremony. `position`: 1 = committed first."""

    position: int
    subject: str
    office: str
    commitment: str
    committed_at: datetime
    secret: str | None = None
    revealed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Ceremony:
    """One attempt to draw the seed of a round together. `reveal_until` is set when nobody more can join."""

    bazaar_id: UUID
    round: int
    attempt: int
    state: CeremonyState
    officials_min: int
    reveal_minutes: int
    opened_at: datetime
    commit_until: datetime
    parts: tuple[Part, ...] = ()
    closed_at: datetime | None = None
    reveal_until: datetime | None = None
    ended_at: datetime | None = None


def open_ceremony(plan: SeedPlan, bazaar_id: UUID, number: int, attempt: int, now: datetime) -> Ceremony:
    """A ceremony to which officials may commit from now on."""
    return Ceremony(
        bazaar_id=bazaar_id,
        round=number,
        attempt=attempt,
        state="committing",
        officials_min=plan.officials_min,
        reveal_minutes=plan.reveal_minutes,
        opened_at=now,
        commit_until=now + timedelta(minutes=plan.commit_minutes),
    )


def commit(
    ceremony: Ceremony, command: Commit, subject: str, before: Iterable[str], now: datetime
) -> tuple[Ceremony, Part]:
    """An official commits. `before`: every commitment handed in for this round, in failed attempts too.

    After `commit_until` it is open only for want of officials: the one who makes their number complete closes it.
    """
    if ceremony.state != "committing" or _closes(ceremony, now):
        raise CommitsClosed("The ceremony is closed: its secrets are being revealed.", attempt=ceremony.attempt)
    if subject in {part.subject for part in ceremony.parts}:
        raise CommittedAlready("You have committed to this ceremony already; each official does once.")
    if command.commitment in before:
        raise CommittedAlready("This commitment was handed in before; make a secret of your own, and a new one.")
    if len(ceremony.parts) >= OFFICIALS_MAX:
        raise TooManyOfficials(f"A ceremony has at most {OFFICIALS_MAX} officials.", officials_max=OFFICIALS_MAX)
    part = Part(len(ceremony.parts) + 1, subject, command.office, command.commitment, now)
    joined = replace(ceremony, parts=(*ceremony.parts, part))
    return (close(joined, now) if _closes(joined, now) else joined), part


def _closes(ceremony: Ceremony, now: datetime) -> bool:
    return now > ceremony.commit_until and len(ceremony.parts) >= ceremony.officials_min


def close(ceremony: Ceremony, now: datetime) -> Ceremony:
    """Nobody more joins; everyone reveals now."""
    if ceremony.state != "committing":
        raise CommitsClosed("The ceremony is closed already.", attempt=ceremony.attempt)
    if len(ceremony.parts) < ceremony.officials_min:
        raise TooFewOfficials(
            f"{len(ceremony.parts)} of at least {ceremony.officials_min} officials have committed; wait for more.",
            committed=len(ceremony.parts),
            officials_min=ceremony.officials_min,
        )
    return replace(
        ceremony, state="revealing", closed_at=now, reveal_until=now + timedelta(minutes=ceremony.reveal_minutes)
    )


def reveal(ceremony: Ceremony, command: Reveal, subject: str, now: datetime) -> tuple[Ceremony, Part]:
    """An official reveals. At `reveal_until` itself it still counts; the last one completes the ceremony."""
    if ceremony.state == "committing":
        raise CommitsOpen("Secrets are revealed when nobody can commit any more; keep yours to yourself until then.")
    if ceremony.state != "revealing" or ceremony.reveal_until is None or now > ceremony.reveal_until:
        raise RevealOver("The time to reveal is over, and this attempt has failed.", attempt=ceremony.attempt)
    part = next((part for part in ceremony.parts if part.subject == subject), None)
    if part is None:
        raise NotCommitted("You have not committed to this ceremony, so there is nothing of yours to reveal.")
    if part.secret is not None:
        raise RevealedAlready("Your secret is revealed already.")
    if not hmac.compare_digest(commitment_of(command.secret), part.commitment):
        raise SecretWrong("secret: is not the one you committed to; its SHA-256 is another.")
    revealed = replace(part, secret=command.secret, revealed_at=now)
    parts = tuple(revealed if one.position == part.position else one for one in ceremony.parts)
    complete = all(one.secret is not None for one in parts)
    after = replace(
        ceremony, parts=parts, state="drawn" if complete else "revealing", ended_at=now if complete else None
    )
    return after, revealed


def fall_due(ceremony: Ceremony, now: datetime) -> Ceremony:
    """A deadline may have passed: commits close if enough officials are there; who has not revealed has failed it."""
    if ceremony.state == "committing" and _closes(ceremony, now):
        return close(ceremony, now)
    if ceremony.state == "revealing" and ceremony.reveal_until is not None and now > ceremony.reveal_until:
        return replace(ceremony, state="failed", ended_at=now)
    return ceremony


def require_under_way(bazaar: Bazaar, ceremony: Ceremony | None) -> Ceremony:
    """The ceremony of a bazaar whose list is frozen and whose seed is not drawn."""
    if bazaar.state != "frozen":
        raise WrongMoment(
            f"A ceremony is held between the freeze and the seed; this bazaar is {bazaar.state}.",
            state=bazaar.state,
            needed="frozen",
        )
    if ceremony is None:
        raise NoCeremony("The seed of this bazaar is not drawn by officials; nothing was said of a ceremony.")
    return ceremony


def commitment_of(secret: str) -> str:
    """SHA-256 of the secret's 64 digits as text (ASCII), in hexadecimal: `printf %s SECRET | sha256sum`."""
    return sha256(secret.encode()).hexdigest()


class Ingredients(NamedTuple):
    """All that a seed is made of. `secrets` in the order in which they were committed to."""

    bazaar_id: UUID
    round: int
    frozen_sha256: str
    secrets: Sequence[str]


SEED_FIRST_LINE = "lapak seed v1"


def seed_of(ingredients: Ingredients) -> str:
    """The seed, in hexadecimal: SHA-256 of these lines, joined by one line feed each and none at the end, in ASCII:
    `lapak seed v1`, the bazaar's id in lower case with hyphens, the number of the round in decimal, `frozen_sha256`,
    then each secret in the order of commitment."""
    lines = [
        SEED_FIRST_LINE,
        str(ingredients.bazaar_id),
        str(ingredients.round),
        ingredients.frozen_sha256,
        *ingredients.secrets,
    ]
    return sha256("\n".join(lines).encode("ascii")).hexdigest()


def draw_together(ceremony: Ceremony, frozen_sha256: str) -> tuple[str, str]:
    """The seed of a complete ceremony, and its source as it is published."""
    secrets = [part.secret for part in ceremony.parts if part.secret is not None]
    seed = seed_of(Ingredients(ceremony.bazaar_id, ceremony.round, frozen_sha256, secrets))
    return seed, f"ceremony of {len(secrets)} officials, attempt {ceremony.attempt}: commit and reveal"


class PublicPart(BaseModel):
    """An official's part, as the public page shows it."""

    model_config = ConfigDict(extra="ignore")

    position: int
    commitment: Hash
    secret: Hash | None = None


class PublicAttempt(BaseModel):
    """An attempt, as the public page shows it."""

    model_config = ConfigDict(extra="ignore")

    attempt: int
    state: CeremonyState
    officials: list[PublicPart]


class PublicCeremony(BaseModel):
    """The public page of a ceremony: all that is needed to draw its seed again."""

    model_config = ConfigDict(extra="ignore")

    bazaar_id: UUID
    round: int
    frozen_sha256: Hash
    seed: str | None = None
    attempts: list[PublicAttempt]


def check_ceremony(page: PublicCeremony) -> tuple[str | None, list[str]]:
    """The seed that a public page gives, and what is wrong with the page. None: no attempt gave one."""
    findings: list[str] = []
    handed_in: set[str] = set()
    seed: str | None = None
    for attempt in page.attempts:
        at = f"attempts[{attempt.attempt}]"
        if [one.position for one in attempt.officials] != list(range(1, len(attempt.officials) + 1)):
            findings.append(f"{at}.officials: are not numbered 1, 2, 3 in the order of commitment")
        for one in attempt.officials:
            if one.commitment in handed_in:
                findings.append(f"{at}.officials[{one.position}].commitment: was handed in before")
            handed_in.add(one.commitment)
            if one.secret is not None and commitment_of(one.secret) != one.commitment:
                findings.append(f"{at}.officials[{one.position}].secret: is not what was committed to")
        secrets = [one.secret for one in attempt.officials if one.secret is not None]
        if attempt.state == "drawn":
            if len(secrets) < max(2, len(attempt.officials)):
                findings.append(f"{at}: gave the seed although not every secret was revealed")
            if seed is not None:
                findings.append(f"{at}: a second attempt gave a seed")
            seed = seed_of(Ingredients(page.bazaar_id, page.round, page.frozen_sha256, secrets))
        elif attempt.officials and len(secrets) == len(attempt.officials) and attempt.state == "failed":
            findings.append(f"{at}: is said to have failed although every secret was revealed")
    if page.seed is not None and seed is not None and page.seed != seed:
        findings.append(f"seed: the round was drawn with {page.seed}, the secrets give {seed}")
    return seed, findings


def check_seed_used(page: PublicCeremony, drawn: str, problem: bytes) -> list[str]:
    """What differs between the seed that was drawn and the published problem of its round.

    Raises `Malformed` when the file is no problem.
    """
    document = parse_json(problem, "problem")
    if not isinstance(document, dict) or not isinstance(document.get("seed"), str):
        raise Malformed(["seed: is missing; this is no problem of a round whose seed is drawn"])
    findings = []
    if document["seed"] != drawn:
        findings.append(f"seed: the problem was solved with {document['seed']}, the secrets give {drawn}")
    frozen = canonical_json({name: value for name, value in document.items() if name != "seed"})
    if sha256(frozen).hexdigest() != page.frozen_sha256:
        findings.append("frozen_sha256: the problem is not the list that was frozen before these secrets were revealed")
    return findings


def shown(ceremony: Ceremony) -> Mapping[str, Any]:
    """An attempt as everyone may read it: offices, commitments and secrets; no person."""
    return {
        "attempt": ceremony.attempt,
        "state": ceremony.state,
        "officials_min": ceremony.officials_min,
        "opened_at": ceremony.opened_at,
        "commit_until": ceremony.commit_until,
        "closed_at": ceremony.closed_at,
        "reveal_until": ceremony.reveal_until,
        "ended_at": ceremony.ended_at,
        "officials": [
            {
                "position": part.position,
                "office": part.office,
                "commitment": part.commitment,
                "committed_at": part.committed_at,
                "secret": part.secret,
                "revealed_at": part.revealed_at,
            }
            for part in ceremony.parts
        ],
    }
