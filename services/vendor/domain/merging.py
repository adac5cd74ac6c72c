"""Merging two registrations of one person, field by field, and undoing it.

Pure. Nothing moves: what hangs on the retired registration stays with its id. The survivor may take values over, and
the retired one is reached as the survivor is, so that no message misses the person. Each merge keeps what undoing it
needs. Merges may be undone in any order: after each, all is as if that merge had never been, except what somebody
changed since.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, NamedTuple, TypeAlias, get_args
from uuid import UUID

from services.vendor.domain.registration import Vendor
from shared.errors import Conflict, NotFound, Refused
from shared.events.vendor import (
    VendorCategoryChosen,
    VendorCategoryCleared,
    VendorCoached,
    VendorCoachingEnded,
    VendorEvent,
    VendorKindChosen,
    VendorMerged,
    VendorMoved,
    VendorReinstated,
    VendorSuspended,
    VendorUnmerged,
)

__all__ = [
    "FIELDS",
    "FamilyChanged",
    "Field",
    "Kept",
    "Merge",
    "MergeFieldEmpty",
    "MergeOfErased",
    "MergeOfOne",
    "MergeUndone",
    "MergeUnknown",
    "Merged",
    "Side",
    "Taken",
    "UndoReason",
    "Undone",
    "events_between",
    "follow",
    "keeps",
    "merge",
    "read_values",
    "undo",
    "value_of",
    "write_values",
]

Choosable = Literal["name", "phone", "email", "language", "address", "kind", "category", "agency"]
Field = Literal[Choosable, "suspension"]
Side = Literal["survivor", "retired"]
UndoReason = Literal["different-people", "wrong-survivor", "wrong-fields", "mistake"]
Value: TypeAlias = str | tuple[str, str, str, str] | None
"""Of an address: street, kelurahan, RW and RT, which belong together."""

FIELDS: tuple[Choosable, ...] = get_args(Choosable)
CONTACT: frozenset[Field] = frozenset({"name", "phone", "email", "language"})
"""What a contact card holds. A retired registration shows the survivor's; its own is kept with the merge."""


class Taken(NamedTuple):
    """A value the survivor took over, and the one it had before."""

    before: Value
    after: Value


@dataclass(frozen=True, slots=True)
class Merge:
    """A merge that was not undone. `reached`: name, phone, email and language of the retired registration itself."""

    merge_id: UUID
    seq: int
    survivor: UUID
    retired: UUID
    taken: Mapping[Field, Taken]
    reached: Mapping[Field, Value]


class Merged(NamedTuple):
    """What a merge makes of the two."""

    survivor: Vendor
    retired: Vendor
    merge: Merge


class Kept(NamedTuple):
    """A value that undoing leaves as it is."""

    vendor_id: UUID
    field: Field
    because: Literal["changed-since"]


class Undone(NamedTuple):
    """What undoing makes of the family: the registrations and the other merges that change, and what stays."""

    vendors: Mapping[UUID, Vendor]
    merges: Mapping[UUID, Merge]
    kept: tuple[Kept, ...]


class MergeOfOne(Refused):
    """A registration cannot be merged into itself."""

    code: ClassVar[str] = "merge-of-one"
    status: ClassVar[int] = 422

    def __init__(self, vendor_id: UUID) -> None:
        super().__init__("Survivor and retired are the same registration; name two.", vendor_id=str(vendor_id))


class MergeFieldEmpty(Refused):
    """A field was to be taken from a registration that has nothing there."""

    code: ClassVar[str] = "merge-field-empty"
    status: ClassVar[int] = 422

    def __init__(self, field: Field) -> None:
        super().__init__(f"The retired registration has no {field} to take over; choose the survivor's.", field=field)


class MergeUnknown(NotFound):
    """No such merge, or one of registrations outside the caller's area."""

    code: ClassVar[str] = "merge-unknown"

    def __init__(self, merge_id: UUID) -> None:
        super().__init__("No merge with this id is known to you.", merge_id=str(merge_id))


class MergeUndone(Refused):
    """The merge was undone before."""

    code: ClassVar[str] = "merge-undone"

    def __init__(self, merge_id: UUID) -> None:
        super().__init__("This merge was undone already; there is nothing left to do.", merge_id=str(merge_id))


class MergeOfErased(Refused):
    """The person was erased, and with it what undoing would need."""

    code: ClassVar[str] = "merge-of-erased"

    def __init__(self, merge_id: UUID) -> None:
        super().__init__("The person was erased since; this merge cannot be undone.", merge_id=str(merge_id))


class FamilyChanged(Conflict):
    """Somebody merged the survivor into another registration at the same moment."""

    code: ClassVar[str] = "merge-at-once"

    def __init__(self, merge_id: UUID) -> None:
        super().__init__("These registrations were merged or parted just now; look again.", merge_id=str(merge_id))


def value_of(vendor: Vendor, field: Field) -> Value:
    """What a registration has in this field."""
    if field == "address":
        return vendor.street, vendor.kelurahan, vendor.rw, vendor.rt
    if field == "suspension":
        return vendor.suspended_because
    value: Value = getattr(vendor, field)
    return value


def _with(vendor: Vendor, field: Field, value: Value) -> Vendor:
    if field == "address":
        assert isinstance(value, tuple)
        street, kelurahan, rw, rt = value
        return replace(vendor, street=street, kelurahan=kelurahan, rw=rw, rt=rt)
    changes: dict[str, Any] = {"suspended_because" if field == "suspension" else field: value}
    return replace(vendor, **changes)


def keeps(survivor: Vendor, retired: Vendor, field: Choosable) -> Side:
    """Whose value stays where nobody chooses: the survivor's, unless it has none.

    `pemula` (no business yet) and an address without its street, in the same RT, count as none.
    """
    mine, theirs = value_of(survivor, field), value_of(retired, field)
    if field == "address":
        same_rt = (survivor.kelurahan, survivor.rw, survivor.rt) == (retired.kelurahan, retired.rw, retired.rt)
        empty = not survivor.street and bool(retired.street) and same_rt
    elif field == "kind":
        empty = mine == "pemula"
    else:
        empty = not mine and bool(theirs)
    return "retired" if empty and mine != theirs else "survivor"


def merge(survivor: Vendor, retired: Vendor, chosen: Mapping[Choosable, Side], merge_id: UUID) -> Merged:
    """Merge two registrations that stand for themselves; `chosen` says whose value stays, `keeps` for the rest.

    A suspension of either is one of the person. Raises `MergeOfOne`, `MergeFieldEmpty`.
    """
    if survivor.vendor_id == retired.vendor_id:
        raise MergeOfOne(survivor.vendor_id)
    taken: dict[Field, Taken] = {}
    for field in FIELDS:
        theirs = value_of(retired, field)
        if (chosen.get(field) or keeps(survivor, retired, field)) == "retired":
            if not theirs:
                raise MergeFieldEmpty(field)
            taken[field] = Taken(value_of(survivor, field), theirs)
    if survivor.suspended_because is None and retired.suspended_because is not None:
        taken["suspension"] = Taken(None, retired.suspended_because)
    after = survivor
    for name, values in taken.items():
        after = _with(after, name, values.after)
    reached: dict[Field, Value] = {field: value_of(retired, field) for field in FIELDS if field in CONTACT}
    made = Merge(merge_id, 0, survivor.vendor_id, retired.vendor_id, taken, reached)
    return Merged(after, follow(replace(retired, merged_into=survivor.vendor_id), after), made)


def follow(retired: Vendor, survivor: Vendor) -> Vendor:
    """A retired registration, reached as the one that stands for the person."""
    for field in CONTACT:
        retired = _with(retired, field, value_of(survivor, field))
    return retired


def undo(merge_id: UUID, vendors: Mapping[UUID, Vendor], merges: Sequence[Merge]) -> Undone:
    """Undo one merge of a family: `vendors` are all its registrations, `merges` all that hold, oldest first.

    The retired registration is again as it was. A value that the survivor took over goes back to what it would be
    without this merge: at the survivor, in a later merge that replaced it, and further up where it was handed on. Where
    somebody has changed it since, it stays and is told.
    """
    rows, holding = dict(vendors), {one.merge_id: one for one in merges}
    undone = holding.pop(merge_id)
    parted = replace(rows[undone.retired], merged_into=None)
    for field, value in undone.reached.items():
        parted = _with(parted, field, value)
    rows[parted.vendor_id] = parted
    kept: list[Kept] = []
    for field, taken in undone.taken.items():
        _put_back(rows, holding, undone, field, taken, kept)
    return Undone(
        {vendor_id: row for vendor_id, row in rows.items() if row != vendors[vendor_id]},
        {one.merge_id: holding[one.merge_id] for one in merges if holding.get(one.merge_id, one) != one},
        tuple(kept),
    )


def _put_back(
    rows: dict[UUID, Vendor], holding: dict[UUID, Merge], undone: Merge, field: Field, taken: Taken, kept: list[Kept]
) -> None:
    place = undone
    while True:
        vendor_id = place.survivor
        later = next(
            (m for m in holding.values() if m.survivor == vendor_id and m.seq > place.seq and field in m.taken), None
        )
        if later is not None:  # the value stands no longer at the survivor, but in what that merge would put back
            if later.taken[field].before == taken.after:
                values = Taken(taken.before, later.taken[field].after)
                holding[later.merge_id] = replace(later, taken={**later.taken, field: values})
            else:
                kept.append(Kept(vendor_id, field, "changed-since"))
            return
        above = next((m for m in holding.values() if m.retired == vendor_id), None)
        apart = above is not None and field in CONTACT
        own = above.reached[field] if above is not None and apart else value_of(rows[vendor_id], field)
        if own != taken.after:
            kept.append(Kept(vendor_id, field, "changed-since"))
            return
        if above is None:
            rows[vendor_id] = _with(rows[vendor_id], field, taken.before)
            return
        if apart:
            above = replace(above, reached={**above.reached, field: taken.before})
        else:
            rows[vendor_id] = _with(rows[vendor_id], field, taken.before)
        holding[above.merge_id] = above
        if field not in above.taken:
            return
        values = Taken(above.taken[field].before, taken.before)
        holding[above.merge_id] = place = replace(above, taken={**above.taken, field: values})


def events_between(before: Vendor, after: Vendor, merge_id: UUID) -> list[VendorEvent]:
    """What is told of one registration of a merge, or of undoing it."""
    vendor_id = before.vendor_id
    events: list[VendorEvent] = []
    if after.merged_into != before.merged_into:
        if before.merged_into is not None:
            events.append(VendorUnmerged(vendor_id=vendor_id, out_of=before.merged_into, merge_id=merge_id))
        if after.merged_into is not None:
            events.append(VendorMerged(vendor_id=vendor_id, into=after.merged_into, merge_id=merge_id))
    if (after.kelurahan, after.rw, after.rt) != (before.kelurahan, before.rw, before.rt):
        events.append(VendorMoved(vendor_id=vendor_id, kelurahan=after.kelurahan, rw=after.rw, rt=after.rt))
    if after.kind != before.kind:
        events.append(VendorKindChosen(vendor_id=vendor_id, kind=after.kind))
    if after.category != before.category:
        events.append(
            VendorCategoryCleared(vendor_id=vendor_id)
            if after.category is None
            else VendorCategoryChosen(vendor_id=vendor_id, category=after.category)
        )
    if after.agency is not None and after.agency != before.agency:
        events.append(VendorCoached(vendor_id=vendor_id, agency=after.agency, previous_agency=before.agency))
    if after.agency is None and before.agency is not None:
        events.append(VendorCoachingEnded(vendor_id=vendor_id, previous_agency=before.agency))
    if after.suspended_because != before.suspended_because:
        if after.suspended_because is None:
            events.append(VendorReinstated(vendor_id=vendor_id))
        else:
            events.append(VendorSuspended(vendor_id=vendor_id, reason=after.suspended_because))
    return events


def write_values(made: Merge) -> bytes:
    """The values of a merge, to be sealed."""
    return json.dumps({"taken": made.taken, "reached": made.reached}, ensure_ascii=False).encode()


def read_values(merge_id: UUID, seq: int, survivor: UUID, retired: UUID, values: bytes) -> Merge:
    """A merge with the values `write_values` wrote."""
    read = json.loads(values)

    def value(written: Any) -> Value:
        return tuple(written) if isinstance(written, list) else written

    taken: dict[Field, Taken] = {
        field: Taken(value(before), value(after)) for field, (before, after) in read["taken"].items()
    }
    return Merge(merge_id, seq, survivor, retired, taken, read["reached"])
