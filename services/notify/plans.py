"""Which event makes which message: its template, its urgency, what the text shows. Pure data.

Not everything that happens is told. Who asked for something sees that it was noted; a mentor has its list of vendors,
and would get thousands of messages on the day of a matching.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Literal, TypeAlias, get_args

from shared.events import bazaar, cases, documents, graduation, mentoring, programme, training, vendor
from shared.events.envelope import Event

__all__ = ["DIGEST", "PLANS", "TEMPLATES", "TOPICS", "Lane", "Plan", "Topic"]

Topic: TypeAlias = Literal["offers", "applications", "training", "mentoring", "documents", "programme", "news"]
"""What a message is about, as people choose it. News is what is no notice about one's own matters."""

TOPICS: tuple[Topic, ...] = get_args(Topic)

DIGEST = "digest"
"""The template that tells several messages in one."""


class Lane(IntEnum):
    """Urgency. A smaller lane goes first, however many wait in the others."""

    OFFER = 0
    PERSONAL = 1
    ROUTINE = 2
    BROADCAST = 3


# --- what is told


@dataclass(frozen=True)
class Plan:
    """How an event becomes a message: its template, its lane, the fields the template shows."""

    template: str
    lane: Lane
    fields: tuple[str, ...] = ()
    topic: Topic = "programme"
    must: bool = False
    """One's own offers, deadlines, decisions, cancellations: the channel can be chosen, the message cannot be ended."""
    digest: bool = False
    """It loses nothing by waiting for the day's digest."""
    deadline: tuple[str, ...] = ()
    """Fields of which the first that is set is the deadline: a moment, or the last day on which it is of use."""
    recipient: str = "vendor_id"
    """The field with the id of who is told; nobody where it is not set."""
    party: str | None = None
    """The field with the id of a mentor or provider whose name and number the text shows."""
    when: Callable[[Any], bool] | None = None
    """Only events of which this is true are told."""


PLANS: Mapping[type[Event], Plan] = {
    vendor.VendorRegistered: Plan("welcome", Lane.ROUTINE, ("kind",), topic="programme"),
    vendor.VendorSuspended: Plan("vendor-suspended", Lane.PERSONAL, ("reason",), topic="programme", must=True),
    vendor.VendorReinstated: Plan("vendor-reinstated", Lane.PERSONAL, topic="programme", must=True),
    documents.DocumentVerified: Plan(
        "document-verified", Lane.ROUTINE, ("kind", "expires_on"), topic="documents", digest=True
    ),
    documents.DocumentReturned: Plan(
        "document-returned",
        Lane.PERSONAL,
        ("kind", "reason", "correct_by"),
        topic="documents",
        must=True,
        deadline=("correct_by",),
    ),
    documents.DocumentRejected: Plan(
        "document-rejected", Lane.PERSONAL, ("kind", "reason"), topic="documents", must=True
    ),
    documents.DocumentExpiring: Plan(
        "document-expiring",
        Lane.ROUTINE,
        ("kind", "expires_on", "days_left"),
        topic="documents",
        must=True,
        deadline=("expires_on",),
    ),
    documents.DocumentLapsed: Plan(
        "document-lapsed", Lane.PERSONAL, ("kind", "expired_on"), topic="documents", must=True
    ),
    programme.AffiliationExpiring: Plan(
        "affiliation-expiring",
        Lane.ROUTINE,
        ("organisation", "expires_on", "days_left"),
        topic="programme",
        digest=True,
        deadline=("expires_on",),
    ),
    programme.AffiliationLapsed: Plan(
        "affiliation-lapsed", Lane.ROUTINE, ("organisation", "expired_on"), topic="programme", digest=True
    ),
    programme.ExhibitionInvited: Plan(
        "exhibition-invited",
        Lane.PERSONAL,
        ("title", "place", "days", "answer_by"),
        topic="programme",
        deadline=("answer_by",),
    ),
    training.TrainingInvited: Plan("training-invited", Lane.ROUTINE, ("title", "days"), topic="training", digest=True),
    training.TrainingEnrolled: Plan(
        "training-enrolled",
        Lane.PERSONAL,
        ("class_id", "title", "days", "starts_at", "venue", "promoted", "clashes"),
        topic="training",
        must=True,
    ),
    training.TrainingWaitlisted: Plan(
        "training-waitlisted", Lane.PERSONAL, ("title", "class_id", "place"), topic="training"
    ),
    training.TrainingTicketIssued: Plan(
        "training-ticket-issued", Lane.PERSONAL, ("title", "days", "serial", "ticket"), topic="training", must=True
    ),
    training.TrainingSessionNear: Plan(
        "training-session-near",
        Lane.OFFER,
        ("title", "day", "starts_at", "venue"),
        topic="training",
        must=True,
        deadline=("starts_at", "day"),
    ),
    training.TrainingWithdrawn: Plan(
        "training-withdrawn", Lane.PERSONAL, ("title", "by", "waited_only"), topic="training", must=True
    ),
    training.TrainingClassMoved: Plan(
        "training-class-moved",
        Lane.PERSONAL,
        ("class_id", "title", "days_before", "days", "starts_at", "venue", "clashes"),
        topic="training",
        must=True,
    ),
    training.TrainingClassCancelled: Plan(
        "training-class-cancelled", Lane.PERSONAL, ("title", "reason"), topic="training", must=True
    ),
    training.ClassDrafted: Plan(
        "class-drafted",
        Lane.PERSONAL,
        ("class_id", "title", "area", "requests", "places"),
        topic="training",
        must=True,
        recipient="provider_id",
    ),
    training.CertificateIssued: Plan(
        "certificate-issued", Lane.ROUTINE, ("title", "number", "issued_on"), topic="training", digest=True
    ),
    training.CertificateRevoked: Plan(
        "certificate-revoked", Lane.PERSONAL, ("title", "number", "reason"), topic="training", must=True
    ),
    training.CapitalReferralMoved: Plan(
        "capital-referral-moved", Lane.PERSONAL, ("bank", "state"), topic="programme", must=True
    ),
    mentoring.MentorAssigned: Plan(
        "mentor-assigned",
        Lane.PERSONAL,
        ("mentor_id", "kind", "by", "previous_mentor_id"),
        topic="mentoring",
        party="mentor_id",
    ),
    mentoring.MentorUnassigned: Plan(
        "mentor-unassigned",
        Lane.ROUTINE,
        ("kind", "because"),
        topic="mentoring",
        digest=True,
        when=lambda event: event.because in ("mentor-left", "officer"),
    ),
    cases.HelpCaseOpened: Plan("help-case-opened", Lane.PERSONAL, ("case_id", "service", "due_on"), topic="mentoring"),
    cases.HelpCaseMoved: Plan(
        "help-case-waiting",
        Lane.PERSONAL,
        ("case_id", "service", "wanted"),
        topic="mentoring",
        must=True,
        when=lambda event: event.state == "waiting-vendor" and not event.overdue,
    ),
    cases.HelpCaseClosed: Plan(
        "help-case-closed", Lane.PERSONAL, ("case_id", "service", "outcome"), topic="mentoring", must=True
    ),
    graduation.GraduationDecided: Plan(
        "graduation-decided",
        Lane.PERSONAL,
        ("candidacy_id", "graduated", "decided_on", "reason"),
        topic="programme",
        must=True,
    ),
    graduation.GraduationAppealed: Plan(
        "graduation-appealed", Lane.ROUTINE, ("candidacy_id",), topic="programme", digest=True
    ),
    graduation.GraduationRevoked: Plan(
        "graduation-revoked", Lane.PERSONAL, ("candidacy_id", "reason"), topic="programme", must=True
    ),
    training.TrainingCompleted: Plan(
        "training-completed",
        Lane.ROUTINE,
        ("title", "completed_on", "sessions_attended", "sessions_held"),
        topic="training",
        digest=True,
    ),
    training.TrainingNotCompleted: Plan(
        "training-not-completed",
        Lane.ROUTINE,
        ("title", "sessions_attended", "sessions_held"),
        topic="training",
        digest=True,
    ),
    bazaar.ApplicationReceived: Plan(
        "application-received",
        Lane.PERSONAL,
        ("application_id", "bazaar_name", "choices", "origin"),
        topic="applications",
    ),
    bazaar.ApplicationChanged: Plan(
        "application-changed",
        Lane.ROUTINE,
        ("application_id", "bazaar_name", "choices", "party_id"),
        topic="applications",
        digest=True,
    ),
    bazaar.InterestExpiring: Plan(
        "interest-expiring",
        Lane.ROUTINE,
        ("interest_id", "valid_until"),
        topic="applications",
        must=True,
        deadline=("valid_until",),
    ),
    bazaar.ApplicationDropped: Plan(
        "application-dropped",
        Lane.PERSONAL,
        ("application_id", "bazaar_name", "because"),
        topic="applications",
        must=True,
    ),
    bazaar.ApplicationRescheduled: Plan(
        "application-rescheduled",
        Lane.OFFER,
        ("application_id", "bazaar_name", "days_before", "days", "site_name", "booth", "release_by", "respond_by"),
        topic="offers",
        must=True,
    ),
    bazaar.ApplicationCancelled: Plan(
        "application-cancelled",
        Lane.OFFER,
        ("application_id", "bazaar_name", "days", "reason", "had_booth", "turn_returned"),
        topic="offers",
        must=True,
    ),
    bazaar.BoothAssigned: Plan(
        "booth-assigned",
        Lane.OFFER,
        ("application_id", "bazaar_name", "site_name", "booth", "days", "respond_by", "promoted", "phase"),
        topic="offers",
        must=True,
        deadline=("respond_by",),
    ),
    bazaar.BoothOfferExpiring: Plan(
        "booth-offer-expiring",
        Lane.OFFER,
        ("application_id", "bazaar_name", "site_name", "booth", "days", "respond_by"),
        topic="offers",
        must=True,
        deadline=("respond_by",),
    ),
    bazaar.ApplicantQueued: Plan(
        "applicant-queued",
        Lane.PERSONAL,
        ("application_id", "bazaar_name", "place", "explanation"),
        topic="applications",
    ),
    bazaar.BoothConfirmed: Plan(
        "booth-confirmed",
        Lane.PERSONAL,
        ("application_id", "bazaar_name", "site_name", "booth", "days"),
        topic="offers",
        must=True,
    ),
    bazaar.TicketIssued: Plan(
        "ticket-issued",
        Lane.PERSONAL,
        ("application_id", "bazaar_name", "site_name", "booth", "days", "serial", "ticket", "gate_closes_at"),
        topic="offers",
        must=True,
    ),
    bazaar.GateClosingChanged: Plan(
        "gate-closing-changed",
        Lane.OFFER,
        ("application_id", "bazaar_name", "site_name", "booth", "closes_at_before", "closes_at"),
        topic="offers",
        must=True,
        deadline=("closes_at",),
    ),
    bazaar.BoothDeclined: Plan(
        "booth-declined", Lane.PERSONAL, ("application_id", "bazaar_name", "site_id"), topic="offers"
    ),
    bazaar.BoothReleased: Plan(
        "booth-released",
        Lane.PERSONAL,
        ("application_id", "bazaar_name", "site_id", "costs_turn"),
        topic="offers",
        must=True,
    ),
    bazaar.BoothDaysAdded: Plan(
        "booth-days-added",
        Lane.PERSONAL,
        ("application_id", "bazaar_name", "site_name", "booth", "added", "days"),
        topic="offers",
        must=True,
    ),
    bazaar.BoothSwapProposed: Plan(
        "booth-swap-proposed",
        Lane.OFFER,
        ("application_id", "bazaar_name", "site_name", "booth", "days", "answer_by"),
        topic="offers",
        must=True,
        deadline=("answer_by",),
    ),
    bazaar.BoothSwapRefused: Plan(
        "booth-swap-refused", Lane.PERSONAL, ("application_id", "bazaar_name", "because"), topic="offers"
    ),
    bazaar.BoothSwapped: Plan(
        "booth-swapped",
        Lane.PERSONAL,
        ("application_id", "bazaar_name", "site_name", "booth", "days"),
        topic="offers",
        must=True,
    ),
    bazaar.BoothOfferLapsed: Plan(
        "booth-offer-lapsed", Lane.PERSONAL, ("application_id", "bazaar_name", "site_id"), topic="offers", must=True
    ),
    bazaar.BoothMissed: Plan(
        "booth-missed", Lane.ROUTINE, ("application_id", "bazaar_name", "site_id"), topic="offers", digest=True
    ),
    bazaar.AppealFiled: Plan(
        "appeal-filed", Lane.ROUTINE, ("application_id", "appeal_id"), topic="applications", digest=True
    ),
    bazaar.AppealDecided: Plan(
        "appeal-decided",
        Lane.PERSONAL,
        ("application_id", "appeal_id", "bazaar_name", "upheld", "remedy"),
        topic="applications",
        must=True,
    ),
    bazaar.SalesQueried: Plan(
        "sales-queried", Lane.ROUTINE, ("application_id", "bazaar_name", "day", "because"), topic="offers"
    ),
}

TEMPLATES: tuple[str, ...] = tuple(plan.template for plan in PLANS.values())
