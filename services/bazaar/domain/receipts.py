"""Receipts: proof for each applicant that it stands in the frozen list, exactly as it applied, and that nobody was
added, removed or altered since.

The applicants of a round are the leaves of a hash tree as RFC 9162 (Certificate Transparency), section 2.1, defines it:
a leaf is the canonical JSON of the applicant's entry, in the order of the file. Its root is published with the freeze,
before the seed is known. A receipt holds an entry and the hashes beside its way up: whoever has the root can check it
with one hash per level, without the file and without us.
"""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Annotated, Any, NamedTuple
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StrictInt, StringConstraints

from services.bazaar.allocation import Malformed
from services.bazaar.allocation.problem import canonical_json
from shared.malformed import parse_json

HASH_BYTES = 32

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


def hash_leaf(leaf: bytes) -> bytes:
    """RFC 9162: leaves and nodes are hashed apart, so that no node can pass for a leaf."""
    return sha256(b"\x00" + leaf).digest()


def _hash_node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


class HashTree(NamedTuple):
    """Every hash of a tree: the leaves, then level by level up to the root. A last node without a neighbour goes up
    unchanged, which gives the same root as RFC 9162's splitting at the largest power of two."""

    levels: tuple[tuple[bytes, ...], ...]

    @property
    def root(self) -> bytes:
        """The hash that stands for all leaves; of an empty list the hash of nothing."""
        return self.levels[-1][0] if self.levels[0] else sha256(b"").digest()

    def path(self, index: int) -> list[bytes]:
        """The hashes beside the way from this leaf to the root, lowest first."""
        return [self.levels[level][at] for level, at in positions_beside(index, len(self.levels[0]))]


def grow(leaves: Sequence[bytes]) -> HashTree:
    """The tree over these leaves."""
    level = tuple(hash_leaf(leaf) for leaf in leaves)
    levels = [level]
    while len(level) > 1:
        pairs = [_hash_node(level[at], level[at + 1]) for at in range(0, len(level) - 1, 2)]
        level = (*pairs, level[-1]) if len(level) % 2 else tuple(pairs)
        levels.append(level)
    return HashTree(tuple(levels))


def positions_beside(index: int, size: int) -> list[tuple[int, int]]:
    """Where the hashes of a leaf's path lie in a tree of this size: (level, place in the level), lowest first."""
    found, level = [], 0
    while size > 1:
        beside = index ^ 1
        if beside < size:
            found.append((level, beside))
        index, size, level = index // 2, (size + 1) // 2, level + 1
    return found


def root_of(leaf_hash: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """The root that a leaf at this index of a list of this size leads to; None when the path is too short or too long.

    RFC 9162, 2.1.3.2.
    """
    found, last, rest = leaf_hash, size - 1, list(path)
    while last > 0:
        if index % 2 == 1 or index < last:
            if not rest:
                return None
            beside = rest.pop(0)
            found = _hash_node(beside, found) if index % 2 == 1 else _hash_node(found, beside)
        index, last = index // 2, last // 2
    return None if rest else found


class Receipt(BaseModel):
    """What an applicant keeps. `size` is the number of applicants, `index` its place in the file, from 0.

    `outcome`: once the round is published, what the result of that hash says of this applicant: {"served": ...} or
    {"waiting": ...}.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    bazaar_id: UUID
    round: Annotated[StrictInt, Field(ge=1)]
    frozen_sha256: Sha256
    applicants_root: Sha256
    entry: dict[str, Any]
    index: Annotated[StrictInt, Field(ge=0)]
    size: Annotated[StrictInt, Field(ge=1, lt=2**31)]
    path: Annotated[list[Sha256], Field(max_length=31)]
    result_sha256: Sha256 | None = None
    outcome: dict[str, Any] | None = None


def check_receipt(receipt: Receipt) -> list[str]:
    """What is wrong with a receipt taken for itself; nothing: its entry is in the list that has its root."""
    if receipt.index >= receipt.size:
        return [f"index: is {receipt.index}, but the list has {receipt.size} applicants"]
    leaf = hash_leaf(canonical_json(receipt.entry))
    path = [bytes.fromhex(one) for one in receipt.path]
    if root_of(leaf, receipt.index, receipt.size, path) != bytes.fromhex(receipt.applicants_root):
        return ["entry, index, size, path or applicants_root: was altered; the entry does not lead to the root"]
    return []


def check_against_problem(receipt: Receipt, problem: bytes) -> list[str]:
    """What differs between a receipt and the published problem of its round, with its seed or without.

    Raises `Malformed` when the file is no problem.
    """
    document = _object(problem, "problem")
    applicants = document.get("applicants")
    if not isinstance(applicants, list):
        raise Malformed(["applicants: is missing; this is no problem of a round"])
    findings = []
    frozen = canonical_json({name: value for name, value in document.items() if name != "seed"})
    if sha256(frozen).hexdigest() != receipt.frozen_sha256:
        findings.append("frozen_sha256: the file is not the list that was frozen; something in it was altered")
    if grow([canonical_json(one) for one in applicants]).root.hex() != receipt.applicants_root:
        findings.append("applicants_root: an applicant of the file was added, removed or altered after the freeze")
    if receipt.size != len(applicants):
        findings.append(f"size: the receipt was given for {receipt.size} applicants, the file has {len(applicants)}")
    if receipt.index >= len(applicants) or applicants[receipt.index] != receipt.entry:
        findings.append("entry: the file does not hold this applicant, as it applied, at its place")
    return findings


def check_against_result(receipt: Receipt, result: bytes) -> list[str]:
    """What differs between a receipt's outcome and the published result of its round.

    Raises `Malformed` when the file is no result.
    """
    document = _object(result, "result")
    kinds = ("served", "waiting")
    if absent := [kind for kind in kinds if not isinstance(document.get(kind), list)]:
        raise Malformed([f"{kind}: is no list or missing; this is no result of a round" for kind in absent])
    findings = []
    if receipt.result_sha256 is not None and sha256(result).hexdigest() != receipt.result_sha256:
        findings.append("result_sha256: the file is not the result that was published")
    name = receipt.entry.get("id")
    found = [
        {kind: one}
        for kind in kinds
        for one in document[kind]
        if isinstance(one, Mapping) and one.get("applicant") == name
    ]
    if len(found) != 1:
        findings.append(f"entry.id: stands {len(found)} times in the result; every applicant stands there once")
    elif receipt.outcome is not None and found[0] != receipt.outcome:
        findings.append("outcome: is not what the result says of this applicant")
    return findings


def _object(data: bytes, what: str) -> dict[str, Any]:
    document = parse_json(data, what)
    if not isinstance(document, dict):
        raise Malformed([f"the {what} must be an object"])
    return document
