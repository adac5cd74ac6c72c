"""A stored round once more, from its stored bytes: rounds are repeatable for ever, or something was altered."""

import hashlib
import json
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from services.bazaar.allocation.problem import canonical_json
from services.bazaar.allocation.stored import solve_stored
from services.bazaar.domain.ceremony import Ceremony, commitment_of, draw_together
from services.bazaar.domain.receipts import grow
from services.bazaar.domain.round import Round


class Replay(NamedTuple):
    """What came out; no `findings`: all is as it was published."""

    bazaar_id: UUID
    number: int
    applicants: int
    decided: bool
    findings: list[str]


def replay_round(stored: Round, attempts: Sequence[Ceremony]) -> Replay:
    """Compute everything of a round anew that was computed of it then, and compare."""
    findings = [*_list(stored), *_seed(stored, attempts), *_result(stored)]
    return Replay(stored.bazaar_id, stored.number, stored.applicants, stored.result is not None, findings)


def _list(stored: Round) -> list[str]:
    findings = []
    if _sha256(stored.frozen) != stored.frozen_sha256:
        findings.append("frozen_sha256: the frozen list was altered")
    applicants = json.loads(stored.frozen)["applicants"]
    if len(applicants) != stored.applicants:
        findings.append(f"applicants: {len(applicants)} in the list, {stored.applicants} were counted")
    # rounds of the time before receipts have no root
    if stored.applicants_root not in (None, grow([canonical_json(one) for one in applicants]).root.hex()):
        findings.append("applicants_root: another tree grows over these applicants")
    return findings


def _seed(stored: Round, attempts: Sequence[Ceremony]) -> list[str]:
    findings = [
        f"ceremony {one.attempt}: the secret of official {part.position} is not what was committed to"
        for one in attempts
        for part in one.parts
        if part.secret is not None and commitment_of(part.secret) != part.commitment
    ]
    findings += [
        f"ceremony {one.attempt}: its secrets give another seed"
        for one in attempts
        if one.state == "drawn" and draw_together(one, stored.frozen_sha256)[0] != stored.seed
    ]
    if stored.problem is None:
        return findings
    if stored.problem != stored.frozen[:-1] + b',"seed":' + canonical_json(stored.seed) + b"}":
        findings.append("problem: is not the frozen list with the seed")
    if _sha256(stored.problem) != stored.problem_sha256:
        findings.append("problem_sha256: the problem was altered")
    return findings


def _result(stored: Round) -> list[str]:
    if stored.result is None or stored.problem is None:
        return []
    findings = []
    if _sha256(stored.result) != stored.result_sha256:
        findings.append("result_sha256: the result was altered")
    solved = solve_stored(stored.problem)
    if solved.result != stored.result:
        findings.append("result: solving the problem gives another")
    if (solved.served, solved.waiting) != (stored.served, stored.waiting):
        findings.append(f"served, waiting: solving gives {solved.served} and {solved.waiting}")
    return [*findings, *(f"verifier: {one}" for one in solved.findings[:3])]


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
