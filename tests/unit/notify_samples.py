"""Sample events of every message: one of each template, and those that reach what only some of them say."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from services.notify.domain.people import Contact
from services.notify.domain.planning import Cause, draft
from services.notify.plans import PLANS
from shared.events import bazaar, documents, graduation, mentoring, programme, training, vendor
from shared.events import cases as help_cases
from shared.events.envelope import Event

NOW = datetime(2023, 3, 17, 3, 0, tzinfo=UTC)
VENDOR, BAZAAR, APPLICATION, CLASS, NUMBER = (UUID(int=number) for number in range(1, 6))
DAYS = [date(2023, 3, 20), date(2023, 3, 21)]
SITES = {(BAZAAR, "sb"): "Rusun Karang Anyar", (BAZAAR, "jb"): "RPTRA Johar Baru"}
OF_BAZAAR: dict[str, Any] = {
    "application_id": APPLICATION,
    "bazaar_id": BAZAAR,
    "vendor_id": VENDOR,
    "bazaar_name": "Bazar Jakpreneur",
}
OF_CLASS: dict[str, Any] = {
    "vendor_id": VENDOR,
    "class_id": CLASS,
    "course": "dasar-kewirausahaan",
    "title": "Dasar Kewirausahaan",
}
OF_DOCUMENT: dict[str, Any] = {"vendor_id": VENDOR, "document_id": UUID(int=8), "kind": "halal"}
OF_AFFILIATION: dict[str, Any] = {"vendor_id": VENDOR, "affiliation_id": UUID(int=10), "organisation": "kadin"}
OF_BOOTH: dict[str, Any] = {"site_id": "sb", "site_name": "Rusun Karang Anyar", "booth": "A07", "days": DAYS}

OF_CERTIFICATE: dict[str, Any] = {**OF_CLASS, "certificate_id": UUID(int=15), "number": "LPK/2023/000123"}
OF_MENTOR: dict[str, Any] = {"vendor_id": VENDOR, "assignment_id": UUID(int=16), "mentor_id": UUID(int=17)}
OF_HELP: dict[str, Any] = {"vendor_id": VENDOR, "case_id": UUID(int=18), "service": "P4"}
OF_GRADUATION: dict[str, Any] = {
    "vendor_id": VENDOR,
    "candidacy_id": UUID(int=19),
    "criteria": "naik-kelas",
    "criteria_version": 1,
}
MENTOR = Contact("Ibu Ratna", "+6281234567890", None, "id")
STARTS_AT = [datetime(2023, 3, 20, 2, 0, tzinfo=UTC), datetime(2023, 3, 21, 2, 0, tzinfo=UTC)]

EVENTS: dict[str, Event] = {
    "welcome": vendor.VendorRegistered(
        vendor_id=VENDOR,
        kind="pemula",
        kelurahan="31.71.02.1002",
        rw="001",
        rt="002",
        origin="self",
        registered_on=date(2023, 3, 1),
    ),
    "vendor-suspended": vendor.VendorSuspended(vendor_id=VENDOR, reason="no-show"),
    "vendor-reinstated": vendor.VendorReinstated(vendor_id=VENDOR),
    "document-verified": documents.DocumentVerified(**OF_DOCUMENT, expires_on=date(2027, 10, 16)),
    "document-returned": documents.DocumentReturned(**OF_DOCUMENT, reason="unreadable", correct_by=date(2023, 3, 31)),
    "document-rejected": documents.DocumentRejected(**OF_DOCUMENT, reason="wrong-person"),
    "document-expiring": documents.DocumentExpiring(**OF_DOCUMENT, expires_on=date(2023, 5, 16), days_left=60),
    "document-lapsed": documents.DocumentLapsed(**OF_DOCUMENT, expired_on=date(2023, 3, 16)),
    "affiliation-expiring": programme.AffiliationExpiring(**OF_AFFILIATION, expires_on=date(2023, 4, 16), days_left=30),
    "affiliation-lapsed": programme.AffiliationLapsed(**OF_AFFILIATION, expired_on=date(2023, 3, 16)),
    "exhibition-invited": programme.ExhibitionInvited(
        vendor_id=VENDOR,
        invitation_id=UUID(int=6),
        exhibition_id=UUID(int=7),
        title="Pameran UMKM G20",
        place="Balai Kota",
        days=DAYS,
        answer_by=date(2023, 3, 18),
    ),
    "training-invited": training.TrainingInvited(**OF_CLASS, days=DAYS),
    "training-enrolled": training.TrainingEnrolled(
        **OF_CLASS, days=DAYS, starts_at=STARTS_AT, venue="Balai Rakyat Sawah Besar", clashes=DAYS[1:]
    ),
    "training-waitlisted": training.TrainingWaitlisted(**OF_CLASS, place=3),
    "training-ticket-issued": training.TrainingTicketIssued(**OF_CLASS, days=DAYS, serial=2, ticket="LPK1:ABC"),
    "training-session-near": training.TrainingSessionNear(
        vendor_id=VENDOR,
        class_id=CLASS,
        title="Dasar Kewirausahaan",
        day=DAYS[0],
        starts_at=STARTS_AT[0],
        venue="Balai Rakyat Sawah Besar",
    ),
    "training-withdrawn": training.TrainingWithdrawn(**OF_CLASS, by="officer"),
    "training-class-moved": training.TrainingClassMoved(
        **OF_CLASS, days_before=[date(2023, 3, 13)], days=DAYS, starts_at=STARTS_AT, venue="Balai Rakyat Sawah Besar"
    ),
    "training-class-cancelled": training.TrainingClassCancelled(**OF_CLASS, reason="venue"),
    "class-drafted": training.ClassDrafted(
        class_id=CLASS,
        course="dasar-kewirausahaan",
        title="Dasar Kewirausahaan",
        area="31.71.02",
        provider_id=UUID(int=20),
        requests=24,
        places=100,
    ),
    "certificate-issued": training.CertificateIssued(**OF_CERTIFICATE, issued_on=date(2023, 3, 10)),
    "certificate-revoked": training.CertificateRevoked(**OF_CERTIFICATE, reason="completion-corrected"),
    "capital-referral-moved": training.CapitalReferralMoved(
        vendor_id=VENDOR, referral_id=UUID(int=21), bank="bank-dki", state="declined"
    ),
    "mentor-assigned": mentoring.MentorAssigned(**OF_MENTOR, kind="employed", by="matching"),
    "mentor-unassigned": mentoring.MentorUnassigned(**OF_MENTOR, kind="employed", because="mentor-left"),
    "help-case-opened": help_cases.HelpCaseOpened(**OF_HELP, due_on=date(2023, 4, 16)),
    "help-case-waiting": help_cases.HelpCaseMoved(
        **OF_HELP, state="waiting-vendor", due_on=date(2023, 4, 16), wanted=["ktp-copy"]
    ),
    "help-case-closed": help_cases.HelpCaseClosed(**OF_HELP, outcome="solved"),
    "graduation-decided": graduation.GraduationDecided(**OF_GRADUATION, graduated=True, decided_on=date(2023, 3, 10)),
    "graduation-appealed": graduation.GraduationAppealed(**OF_GRADUATION),
    "graduation-revoked": graduation.GraduationRevoked(**OF_GRADUATION, reason="figures-doubtful"),
    "training-completed": training.TrainingCompleted(
        **OF_CLASS, completed_on=date(2023, 3, 10), sessions_attended=4, sessions_held=5
    ),
    "training-not-completed": training.TrainingNotCompleted(**OF_CLASS, sessions_attended=1, sessions_held=5),
    "application-received": bazaar.ApplicationReceived(**OF_BAZAAR, choices=[["sb", "jb"], ["gb"]]),
    "booth-assigned": bazaar.BoothAssigned(
        **OF_BAZAAR,
        site_id="sb",
        site_name="Rusun Karang Anyar",
        booth="A07",
        days=DAYS,
        respond_by=datetime(2023, 3, 18, 8, 0, tzinfo=UTC),
    ),
    "applicant-queued": bazaar.ApplicantQueued(
        **OF_BAZAAR,
        place=12,
        because={"code": "pools-full", "pools": ["sb", "jb"]},
        ahead={"fewer_turns": 20, "lottery": 3},
        forecast_round=2,
        explanation={"id": "Semua lapak di lokasi pilihan Anda sudah terisi.", "en": "All booths went to others."},
    ),
    "application-changed": bazaar.ApplicationChanged(**OF_BAZAAR, choices=[["sb", "jb"]], party_id=UUID(int=13)),
    "interest-expiring": bazaar.InterestExpiring(
        interest_id=UUID(int=14), vendor_id=VENDOR, valid_until=date(2023, 4, 16)
    ),
    "application-dropped": bazaar.ApplicationDropped(**OF_BAZAAR, because="training-missing"),
    "application-rescheduled": bazaar.ApplicationRescheduled(
        **OF_BAZAAR,
        days_before=DAYS,
        days=[date(2023, 3, 27), date(2023, 3, 28)],
        site_id="sb",
        site_name="Rusun Karang Anyar",
        booth="A07",
        release_by=datetime(2023, 3, 18, 8, 0, tzinfo=UTC),
    ),
    "application-cancelled": bazaar.ApplicationCancelled(
        **OF_BAZAAR, days=DAYS, reason="weather", had_booth=True, turn_returned=True
    ),
    "booth-offer-expiring": bazaar.BoothOfferExpiring(
        **OF_BAZAAR, **OF_BOOTH, respond_by=datetime(2023, 3, 18, 8, 0, tzinfo=UTC)
    ),
    "ticket-issued": bazaar.TicketIssued(
        **OF_BAZAAR, **OF_BOOTH, serial=2, ticket="LPK1:ABC", gate_closes_at=datetime(2023, 3, 20, 3, 0, tzinfo=UTC)
    ),
    "gate-closing-changed": bazaar.GateClosingChanged(
        **OF_BAZAAR,
        **OF_BOOTH,
        closes_at_before=datetime(2023, 3, 20, 3, 0, tzinfo=UTC),
        closes_at=datetime(2023, 3, 20, 4, 30, tzinfo=UTC),
    ),
    "booth-released": bazaar.BoothReleased(**OF_BAZAAR, site_id="sb"),
    "booth-days-added": bazaar.BoothDaysAdded(
        **OF_BAZAAR, **{**OF_BOOTH, "days": [*DAYS, date(2023, 3, 22)]}, added=[date(2023, 3, 22)]
    ),
    "booth-swap-proposed": bazaar.BoothSwapProposed(
        **OF_BAZAAR,
        swap_id=UUID(int=11),
        site_name="RPTRA Johar Baru",
        booth="A03",
        days=DAYS,
        answer_by=datetime(2023, 3, 18, 8, 0, tzinfo=UTC),
    ),
    "booth-swap-refused": bazaar.BoothSwapRefused(**OF_BAZAAR, swap_id=UUID(int=11), because="declined"),
    "booth-swapped": bazaar.BoothSwapped(**OF_BAZAAR, **OF_BOOTH, swap_id=UUID(int=11)),
    "appeal-filed": bazaar.AppealFiled(
        application_id=APPLICATION, bazaar_id=BAZAAR, vendor_id=VENDOR, appeal_id=UUID(int=12), about="no-show"
    ),
    "appeal-decided": bazaar.AppealDecided(**OF_BAZAAR, appeal_id=UUID(int=12), upheld=True, remedy="turn-returned"),
    "sales-queried": bazaar.SalesQueried(**OF_BAZAAR, day=date(2023, 3, 20), because="turnover-high"),
    "booth-confirmed": bazaar.BoothConfirmed(
        **OF_BAZAAR, site_id="sb", site_name="Rusun Karang Anyar", booth="A07", days=DAYS
    ),
    "booth-declined": bazaar.BoothDeclined(**OF_BAZAAR, site_id="sb"),
    "booth-offer-lapsed": bazaar.BoothOfferLapsed(**OF_BAZAAR, site_id="sb"),
    "booth-missed": bazaar.BoothMissed(**OF_BAZAAR, site_id="sb"),
}

WEEK = [date(2023, 3, day) for day in range(20, 25)]
WEEK_STARTS_AT = [datetime(2023, 3, day, 2 + day % 2, 0, tzinfo=UTC) for day in range(20, 25)]

VARIANTS: dict[str, list[dict[str, Any]]] = {
    "welcome": [{"kind": "usaha"}],
    "document-verified": [{"expires_on": None}, {"kind": "pirt"}, {"kind": "hki"}],
    "document-returned": [{"reason": "a-code-that-nobody-knows"}],
    "document-expiring": [{"days_left": 1}, {"kind": "pirt"}],
    "affiliation-expiring": [{"days_left": 1}],
    "training-invited": [{"title": None, "days": []}, {"days": []}],
    "training-enrolled": [
        {"promoted": True, "clashes": [], "venue": None},
        {"starts_at": [], "clashes": []},
        {"days": WEEK, "starts_at": WEEK_STARTS_AT, "clashes": []},
        {"venue": "https://rapat.example.com/j/" + "8" * 90},
    ],
    "training-waitlisted": [{"class_id": None}, {"class_id": None, "title": None}, {"title": None}],
    "training-ticket-issued": [{"serial": 1}],
    "training-session-near": [{"starts_at": None, "venue": None}, {"venue": "Gedung" + " Pertemuan" * 12}],
    "training-withdrawn": [
        {"by": by, "waited_only": waited_only, "title": title}
        for by in ("vendor", "officer")
        for waited_only in (True, False)
        for title in ("Dasar Kewirausahaan", None)
    ],
    "training-class-moved": [
        {"days": WEEK, "starts_at": WEEK_STARTS_AT},
        {"clashes": DAYS[1:]},
        {"days_before": DAYS, "starts_at": [], "venue": None},
        {"venue": "https://rapat.example.com/j/" + "8" * 90},
    ],
    "certificate-revoked": [{"reason": "replaced"}],
    "capital-referral-moved": [{"state": state} for state in ("sent", "received", "approved", "withdrawn")],
    "mentor-assigned": [{"kind": "foster"}, {"previous_mentor_id": UUID(int=22)}, {"by": "officer"}],
    "mentor-unassigned": [
        {"kind": kind, "because": because} for kind in ("employed", "foster") for because in ("mentor-left", "officer")
    ],
    "help-case-waiting": [{"wanted": []}, {"wanted": ["ktp-copy", "bank-statement", "product-label", "a-new-code"]}],
    "help-case-closed": [{"outcome": outcome} for outcome in ("not-possible", "withdrawn", "referred")],
    "graduation-decided": [
        {"graduated": False, "reason": "not-lasting"},
        {"graduated": False, "reason": None},
    ],
    "application-received": [{"origin": "standing"}, {"choices": []}],
    "application-changed": [{"party_id": None}, {"choices": []}],
    "application-rescheduled": [
        {"release_by": None, "respond_by": datetime(2023, 3, 25, 8, 0, tzinfo=UTC)},
        {"site_id": None, "site_name": None, "booth": None, "release_by": None},
        {"release_by": None},
    ],
    "application-cancelled": [{"turn_returned": False}, {"turn_returned": False, "had_booth": False}],
    "booth-assigned": [{"promoted": True}, {"phase": 1}],
    "booth-released": [{"costs_turn": True}],
    "ticket-issued": [{"serial": 1}, {"gate_closes_at": None}],
    "appeal-decided": [
        {"upheld": False, "remedy": "none"},
        {"remedy": "waiting-restored"},
        {"remedy": "priority-granted"},
    ],
}
"""What else an event of a template may say, so that every sentence of its texts is reached."""

PARTIES = (MENTOR, Contact("Ibu Ratna", None, None, "id"), None)
"""Mentors and providers that a text may name: with a number, without, and nobody whose card is there."""


def samples(template: str) -> list[Event]:
    """The events of a template that are tried: its sample, and it with each of its variants."""
    return [EVENTS[template], *(EVENTS[template].model_copy(update=update) for update in VARIANTS.get(template, []))]


def values(template: str) -> Iterator[dict[str, Any]]:
    """What the texts of a template see, for each of its samples."""
    for event in samples(template):
        made = draft(event, Cause(UUID(int=9), NOW), SITES, NOW)
        assert made is not None
        for party in PARTIES if PLANS[type(event)].party is not None else (None,):
            yield {
                **made.params,
                "name": "Siti Aminah",
                "notification_id": NUMBER,
                "party_name": None if party is None else party.name,
                "party_phone": None if party is None else party.phone,
            }
