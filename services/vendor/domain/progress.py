"""How a vendor gets on in the programme, over everything: what training tells of it, and all of it in plain sentences.

Of each thing (a certificate, a mentor, a visit, a case, a candidacy) the last word of training counts.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

from services.vendor.domain.indicators import Report
from services.vendor.domain.invitations import Assessment
from services.vendor.domain.programme import SERVICES, CapitalReferral, Place, Step
from shared.clock import day_in_jakarta
from shared.events.cases import HelpCaseClosed, HelpCaseMoved, HelpCaseOpened
from shared.events.graduation import (
    GraduationAppealed,
    GraduationDecided,
    GraduationEvent,
    GraduationProposalWithdrawn,
    GraduationProposed,
    GraduationRevoked,
)
from shared.events.mentoring import MentorAssigned, MentorUnassigned, VisitLogged, VisitStruck
from shared.events.programme import ProgrammeService
from shared.events.training import CertificateIssued, CertificateRevoked, TraineeEvent

__all__ = [
    "FOLLOWED",
    "Fact",
    "FactKind",
    "Overview",
    "certificates",
    "describe",
    "fold",
    "graduation",
    "last_visit",
    "mentor",
    "open_cases",
    "read",
]

FactKind = Literal["certificate", "mentor", "visit", "case", "graduation"]

FOLLOWED: tuple[type[TraineeEvent], ...] = (
    CertificateIssued,
    CertificateRevoked,
    MentorAssigned,
    MentorUnassigned,
    GraduationProposed,
    GraduationProposalWithdrawn,
    GraduationDecided,
    GraduationAppealed,
    GraduationRevoked,
    VisitLogged,
    VisitStruck,
    HelpCaseOpened,
    HelpCaseMoved,
    HelpCaseClosed,
)
"""The events of training that `read` takes."""


@dataclass(frozen=True, slots=True)
class Fact:
    """What training says of a thing of a vendor, at this version of the vendor's training record."""

    vendor_id: UUID
    kind: FactKind
    fact_id: UUID
    said: Mapping[str, Any]
    version: int
    at: datetime


def read(event: TraineeEvent, version: int, at: datetime) -> Fact:
    """What an event says, ready for JSON."""
    match event:
        case CertificateIssued():
            said = {**_certificate(event), "state": "issued", "issued_on": event.issued_on.isoformat()}
            return Fact(event.vendor_id, "certificate", event.certificate_id, said, version, at)
        case CertificateRevoked():
            said = {**_certificate(event), "state": "revoked"}
            return Fact(event.vendor_id, "certificate", event.certificate_id, said, version, at)
        case MentorAssigned():
            said = {"state": "assigned", "kind": event.kind, "mentor_id": str(event.mentor_id), "since": at.isoformat()}
            return Fact(event.vendor_id, "mentor", event.assignment_id, said, version, at)
        case MentorUnassigned():
            said = {"state": "ended", "kind": event.kind, "mentor_id": str(event.mentor_id)}
            return Fact(event.vendor_id, "mentor", event.assignment_id, said, version, at)
        case VisitLogged():
            next_on = None if event.next_action_on is None else event.next_action_on.isoformat()
            said = {"state": "logged", "visited_on": event.visited_on.isoformat(), "next_action_on": next_on}
            return Fact(event.vendor_id, "visit", event.visit_id, {**said, "mode": event.mode}, version, at)
        case VisitStruck():
            return Fact(event.vendor_id, "visit", event.visit_id, {"state": "struck"}, version, at)
        case HelpCaseOpened():
            said = {"state": "open", "service": event.service, "due_on": event.due_on.isoformat(), "wanted": []}
            return Fact(event.vendor_id, "case", event.case_id, said, version, at)
        case HelpCaseMoved():
            said = {"state": event.state, "service": event.service, "due_on": event.due_on.isoformat()}
            return Fact(event.vendor_id, "case", event.case_id, {**said, "wanted": event.wanted}, version, at)
        case HelpCaseClosed():
            said = {"state": "closed", "service": event.service, "outcome": event.outcome, "wanted": []}
            return Fact(event.vendor_id, "case", event.case_id, said, version, at)
        case GraduationEvent():
            return Fact(event.vendor_id, "graduation", event.candidacy_id, _graduation(event), version, at)
    raise TypeError(type(event).__name__)


def _certificate(event: CertificateIssued | CertificateRevoked) -> dict[str, Any]:
    return {"number": event.number, "course": event.course, "title": event.title, "class_id": str(event.class_id)}


def _graduation(event: GraduationEvent) -> dict[str, Any]:
    said: dict[str, Any] = {"criteria": event.criteria, "criteria_version": event.criteria_version}
    match event:
        case GraduationProposed():
            return {**said, "state": "proposed", "objected": False}
        case GraduationProposalWithdrawn():
            return {**said, "state": "withdrawn"}
        case GraduationDecided():
            state = "graduated" if event.graduated else "declined"
            decided = {"decided_on": event.decided_on.isoformat(), "reason": event.reason}
            return {**said, **decided, "state": state, "objected": False}
        case GraduationRevoked():
            return {**said, "state": "revoked", "reason": event.reason, "objected": False}
    return {**said, "objected": True}  # GraduationAppealed


def fold(facts: Iterable[Fact]) -> list[Fact]:
    """One fact for each thing: what was said later is laid over what was said before."""
    last: dict[tuple[UUID, FactKind, UUID], Fact] = {}
    for fact in sorted(facts, key=lambda one: one.version):
        key = (fact.vendor_id, fact.kind, fact.fact_id)
        before = last.get(key)
        said = fact.said if before is None else {**before.said, **fact.said}
        last[key] = Fact(fact.vendor_id, fact.kind, fact.fact_id, said, fact.version, fact.at)
    return list(last.values())


# ---- of one person, over all its registrations


class Mentor(NamedTuple):
    """Who accompanies the vendor, since when."""

    mentor_id: UUID
    since: datetime


class Visit(NamedTuple):
    """When a mentor was there last, and when something is to follow."""

    visited_on: date
    next_action_on: date | None


class Certificate(NamedTuple):
    """A certificate; `valid` until it is revoked."""

    certificate_id: UUID
    number: str
    course: str
    title: str
    issued_on: date | None
    valid: bool


class OpenCase(NamedTuple):
    """Help that is under way."""

    case_id: UUID
    service: str
    state: str
    due_on: date | None
    wanted: tuple[str, ...]


class Graduation(NamedTuple):
    """Where the vendor stands with graduation."""

    state: str
    criteria: str
    decided_on: date | None
    objected: bool


def mentor(facts: Iterable[Fact], kind: Literal["employed", "foster"]) -> Mentor | None:
    """The mentor of this kind. Each registration has its last word; of several assigned the later one is told."""
    last: dict[UUID, Fact] = {}
    for fact in facts:
        if fact.kind == "mentor" and fact.said["kind"] == kind:
            before = last.get(fact.vendor_id)
            if before is None or before.version < fact.version:
                last[fact.vendor_id] = fact
    standing = [fact for fact in last.values() if fact.said["state"] == "assigned"]
    if not standing:
        return None
    told = max(standing, key=lambda one: (one.at, one.fact_id))
    return Mentor(UUID(told.said["mentor_id"]), datetime.fromisoformat(told.said["since"]))


def last_visit(facts: Iterable[Fact]) -> Visit | None:
    """The last visit that was not struck."""
    logged = [fact.said for fact in facts if fact.kind == "visit" and fact.said["state"] == "logged"]
    if not logged:
        return None
    said = max(logged, key=lambda one: (one["visited_on"], one["next_action_on"] or ""))
    return Visit(date.fromisoformat(said["visited_on"]), _day(said["next_action_on"]))


def certificates(facts: Iterable[Fact]) -> list[Certificate]:
    """Every certificate, the last first."""
    found = [
        Certificate(
            fact.fact_id,
            fact.said["number"],
            fact.said["course"],
            fact.said["title"],
            _day(fact.said.get("issued_on")),
            fact.said["state"] == "issued",
        )
        for fact in facts
        if fact.kind == "certificate"
    ]
    return sorted(found, key=lambda one: (one.issued_on or date.min, one.number), reverse=True)


def open_cases(facts: Iterable[Fact]) -> list[OpenCase]:
    """Cases that are not closed, by service."""
    found = [
        OpenCase(
            fact.fact_id,
            fact.said["service"],
            fact.said["state"],
            _day(fact.said.get("due_on")),
            tuple(fact.said["wanted"]),
        )
        for fact in facts
        if fact.kind == "case" and fact.said["state"] != "closed"
    ]
    return sorted(found, key=lambda one: (one.service, one.case_id))


def graduation(facts: Iterable[Fact]) -> Graduation | None:
    """Graduated under any id counts; else the last word, unless it is a candidacy that was taken back."""
    known = [fact for fact in facts if fact.kind == "graduation" and fact.said.get("state", "withdrawn") != "withdrawn"]
    if not known:
        return None
    told = max(known, key=lambda one: (one.said["state"] == "graduated", one.at, one.version))
    said = told.said
    return Graduation(said["state"], said["criteria"], _day(said.get("decided_on")), bool(said.get("objected")))


def _day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)


# ---- in plain sentences


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything that the sentences are about."""

    services: Mapping[ProgrammeService, Step]
    places: Sequence[Place]
    certificates: Sequence[Certificate]
    mentor: Mentor | None
    foster: Mentor | None
    visit: Visit | None
    cases: Sequence[OpenCase]
    referral: CapitalReferral | None
    bank_name: str | None
    figures: Sequence[Report]
    graduation: Graduation | None
    assessment: Assessment | None


_SERVICE_NAMES = {
    "P1": ("pendaftaran", "registration"),
    "P2": ("pelatihan", "training"),
    "P3": ("pendampingan", "mentoring"),
    "P4": ("perizinan", "licensing"),
    "P5": ("pemasaran", "marketing"),
    "P6": ("laporan keuangan", "financial reports"),
    "P7": ("permodalan", "capital"),
}
_SERVICE_STATES = {
    "asked": ("diminta", "asked for"),
    "active": ("berjalan", "under way"),
    "completed": ("selesai", "completed"),
    "left": ("tidak dilanjutkan", "not continued"),
}
_CASE_STATES = {
    "open": ("menunggu dikerjakan", "waits to be worked on"),
    "working": ("sedang dikerjakan", "is worked on"),
    "waiting-vendor": ("menunggu kelengkapan dari Anda", "waits for something from you"),
}
_REFERRALS = {
    "sent": ("sudah dikirim ke bank", "was sent to the bank"),
    "received": ("sedang dinilai bank", "is looked at by the bank"),
    "approved": ("disetujui bank", "was approved by the bank"),
    "declined": ("tidak disetujui bank", "was declined by the bank"),
    "withdrawn": ("ditarik kembali", "was withdrawn"),
}
_GRADUATIONS = {
    "proposed": (
        "Angka usaha Anda memenuhi kriteria naik kelas; petugas akan memutuskan.",
        "Your figures meet the criteria of graduation; an officer will decide.",
    ),
    "graduated": ("Selamat, Anda sudah naik kelas.", "Congratulations, you have graduated."),
    "declined": (
        "Anda belum dinyatakan naik kelas; alasan dan cara keberatan ada pada keputusannya.",
        "You did not graduate yet; the reason and how to object stand with the decision.",
    ),
    "revoked": (
        "Keputusan naik kelas dibatalkan; Anda anggota seperti sebelumnya.",
        "The graduation was taken back; you are a member as before.",
    ),
}


def describe(overview: Overview) -> dict[str, list[str]]:
    """The same in sentences: {"id": [...], "en": [...]}, one about each part."""
    return {language: _sentences(overview, column) for column, language in enumerate(("id", "en"))}


def _sentences(one: Overview, column: int) -> list[str]:
    said: list[tuple[str, str]] = []
    for service in SERVICES:
        step = one.services.get(service)
        names = _SERVICE_NAMES[service]
        states = ("belum diminta", "not asked for yet") if step is None else _SERVICE_STATES[step.state]
        said.append((f"{service} {names[0]}: {states[0]}.", f"{service} {names[1]}: {states[1]}."))
    done = sum(place.state == "completed" for place in one.places)
    valid = sum(certificate.valid for certificate in one.certificates)
    said.append(
        (
            f"Pelatihan selesai: {done}; sertifikat yang berlaku: {valid}.",
            f"Trainings completed: {done}; valid certificates: {valid}.",
        )
    )
    said.append(_mentoring(one))
    if one.foster is not None:
        since = day_in_jakarta(one.foster.since).isoformat()
        said.append((f"Bapak/ibu angkat Anda: sejak {since}.", f"You have had a foster mentor since {since}."))
    for case in one.cases:
        names, states = _SERVICE_NAMES[case.service], _CASE_STATES[case.state]
        said.append((f"Bantuan {names[0]} {states[0]}.", f"Help with {names[1]} {states[1]}."))
    if one.referral is not None:
        states, bank = _REFERRALS[one.referral.state], one.bank_name or one.referral.bank
        said.append((f"Rujukan modal ke {bank} {states[0]}.", f"The capital referral to {bank} {states[1]}."))
    said.append(_figures(one.figures))
    if one.graduation is not None:
        said.append(_GRADUATIONS[one.graduation.state])
    if one.assessment is not None:
        said.append(_export(one.assessment))
    return [sentence[column] for sentence in said]


def _mentoring(one: Overview) -> tuple[str, str]:
    if one.mentor is None:
        return ("Saat ini tidak ada pendamping.", "You have no mentor at present.")
    since = day_in_jakarta(one.mentor.since).isoformat()
    if one.visit is None:
        return (
            f"Anda didampingi sejak {since}; belum ada kunjungan.",
            f"You have had a mentor since {since}; no visit yet.",
        )
    last = one.visit.visited_on.isoformat()
    return (
        f"Anda didampingi sejak {since}; kunjungan terakhir {last}.",
        f"You have had a mentor since {since}; the last visit was on {last}.",
    )


def _figures(reports: Sequence[Report]) -> tuple[str, str]:
    if not reports:
        return ("Belum ada laporan bulanan.", "No monthly report yet.")
    last = f"{max(report.month for report in reports):%Y-%m}"
    return (f"Laporan bulanan terakhir: {last}.", f"The last monthly report is of {last}.")


def _export(assessment: Assessment) -> tuple[str, str]:
    score = ("", "") if assessment.score is None else (f", nilai {assessment.score}", f", score {assessment.score}")
    if assessment.ready:
        return (f"Dinilai siap ekspor{score[0]}.", f"Found ready for export{score[1]}.")
    return (f"Dinilai belum siap ekspor{score[0]}.", f"Found not ready for export yet{score[1]}.")
