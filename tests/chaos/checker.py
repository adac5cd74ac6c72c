"""The checker: what the log, the stores and the mailbox must say when nothing was lost, doubled or disordered.

A pure function over `evidence.Evidence`, written apart from the services: it folds the published log itself and knows
the rules (who copies what, which event makes which message) by itself. Every fault is a `Finding` that names the event.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tests.chaos import books
from tests.chaos.evidence import (
    BAZAAR,
    COMMANDS,
    CONTACT,
    MECHANISMS,
    NOTIFY,
    OPERATIONS,
    TRAINING,
    VENDOR,
    Evidence,
    Record,
)
from tests.chaos.findings import FAULTS, Finding, Firsts, Key

__all__ = ["FAULTS", "Finding", "count_duplicates", "count_events", "first_appearances", "judge"]

INTRODUCTORY_COURSE = "dasar-kewirausahaan"
MESSAGES: Mapping[str, str] = {
    "VendorRegistered": "welcome",
    "VendorSuspended": "vendor-suspended",
    "VendorReinstated": "vendor-reinstated",
    "DocumentVerified": "document-verified",
    "DocumentReturned": "document-returned",
    "DocumentRejected": "document-rejected",
    "DocumentExpiring": "document-expiring",
    "DocumentLapsed": "document-lapsed",
    "AffiliationExpiring": "affiliation-expiring",
    "AffiliationLapsed": "affiliation-lapsed",
    "ExhibitionInvited": "exhibition-invited",
    "TrainingInvited": "training-invited",
    "TrainingEnrolled": "training-enrolled",
    "TrainingWaitlisted": "training-waitlisted",
    "TrainingTicketIssued": "training-ticket-issued",
    "TrainingSessionNear": "training-session-near",
    "TrainingWithdrawn": "training-withdrawn",
    "TrainingClassMoved": "training-class-moved",
    "TrainingClassCancelled": "training-class-cancelled",
    "CertificateIssued": "certificate-issued",
    "CertificateRevoked": "certificate-revoked",
    "CapitalReferralMoved": "capital-referral-moved",
    "MentorAssigned": "mentor-assigned",
    "HelpCaseOpened": "help-case-opened",
    "HelpCaseClosed": "help-case-closed",
    "GraduationDecided": "graduation-decided",
    "GraduationAppealed": "graduation-appealed",
    "GraduationRevoked": "graduation-revoked",
    "TrainingCompleted": "training-completed",
    "TrainingNotCompleted": "training-not-completed",
    "ApplicationReceived": "application-received",
    "ApplicationChanged": "application-changed",
    "ApplicationDropped": "application-dropped",
    "ApplicationRescheduled": "application-rescheduled",
    "ApplicationCancelled": "application-cancelled",
    "InterestExpiring": "interest-expiring",
    "BoothAssigned": "booth-assigned",
    "BoothOfferExpiring": "booth-offer-expiring",
    "ApplicantQueued": "applicant-queued",
    "BoothConfirmed": "booth-confirmed",
    "TicketIssued": "ticket-issued",
    "GateClosingChanged": "gate-closing-changed",
    "BoothDeclined": "booth-declined",
    "BoothReleased": "booth-released",
    "BoothDaysAdded": "booth-days-added",
    "BoothSwapProposed": "booth-swap-proposed",
    "BoothSwapRefused": "booth-swap-refused",
    "BoothSwapped": "booth-swapped",
    "BoothOfferLapsed": "booth-offer-lapsed",
    "BoothMissed": "booth-missed",
    "AppealFiled": "appeal-filed",
    "AppealDecided": "appeal-decided",
    "SalesQueried": "sales-queried",
}
"""Event -> the template of the message that each of it makes."""


def judge(evidence: Evidence) -> list[Finding]:
    """Every fault, in the order of the checks."""
    firsts = first_appearances(evidence)
    return [finding for check in CHECKS for finding in check(evidence, firsts)]


def first_appearances(evidence: Evidence) -> Firsts:
    """The log without its duplicates."""
    firsts: Firsts = defaultdict(list)
    seen: set[tuple[str, str, str]] = set()
    for topic, records in evidence.log.items():
        for record in records:
            if record.fault is None and (topic, record.key, record.mark) not in seen:
                seen.add((topic, record.key, record.mark))
                firsts[topic, record.key].append(record)
    return firsts


def count_events(evidence: Evidence) -> int:
    """How many different events were published."""
    return sum(len(records) for (topic, _), records in first_appearances(evidence).items() if topic not in COMMANDS)


def count_duplicates(evidence: Evidence) -> dict[str, int]:
    """Topic -> records that repeat an earlier one: no fault, at least once is what a relay promises."""
    firsts = first_appearances(evidence)
    distinct = Counter(topic for (topic, _), records in firsts.items() for _ in records)
    return {topic: len(records) - distinct[topic] for topic, records in evidence.log.items() if records}


# --- the log by itself


def _envelopes(evidence: Evidence, _: Firsts) -> Iterator[Finding]:
    for topic, records in evidence.log.items():
        for record in records:
            if record.fault is not None:
                yield Finding("unreadable", topic, record.key, record.mark, f"{record.fault}, at {record.place}")


def _repeats(evidence: Evidence, firsts: Firsts) -> Iterator[Finding]:
    """A record that repeats an event must be that event: same id, same type, same body, same partition."""
    first = {(topic, key, record.mark): record for (topic, key), records in firsts.items() for record in records}
    for topic, records in evidence.log.items():
        for record in records:
            original = first.get((topic, record.key, record.mark), record)
            if record.fault is None and (
                (record.id, record.type, record.value) != (original.id, original.type, original.value)
            ):
                yield Finding(
                    "doubled", topic, record.key, record.mark, f"two events, at {original.place} and at {record.place}"
                )


def _order(_: Evidence, firsts: Firsts) -> Iterator[Finding]:
    """Per key the first appearances come in order of their versions, in one partition."""
    for (topic, key), records in firsts.items():
        highest: Record | None = None
        for record in records:
            if record.sequence is None:
                continue
            if highest is None or highest.sequence is None or record.sequence > highest.sequence:
                highest = record
            else:
                yield Finding(
                    "disordered", topic, key, record.mark, f"at {record.place}, after {highest.mark} at {highest.place}"
                )
        partitions = sorted({record.partition for record in records})
        if len(partitions) > 1:
            yield Finding("disordered", topic, key, "", f"in partitions {', '.join(map(str, partitions))}")


# --- the log against the stores that published it


def _versions(evidence: Evidence) -> dict[Key, int]:
    """(topic, key) -> how many events its aggregate says it has had."""
    tables = evidence.tables
    said: dict[Key, int] = {(VENDOR, command): 1 for command in evidence.ledger.refused}
    said |= {(NOTIFY, row["reply_id"]): 1 for row in tables.get("notify.reply", ())}
    said |= {
        (BAZAAR, row["command_id"]): 1
        for row in tables.get("notify.offer_answer", ())
        if row["outcome"] not in (None, "done", "superseded")
    }
    for row in tables.get("vendor.vendor", ()):
        said[VENDOR, row["vendor_id"]] = row["version"]
        said[CONTACT, row["vendor_id"]] = row["card_version"]
    for topic, table, key in (
        (TRAINING, "training.trainee", "vendor_id"),
        (TRAINING, "training.training_class", "class_id"),
        (TRAINING, "training.course", "course"),
        (BAZAAR, "bazaar.bazaar", "bazaar_id"),
        (BAZAAR, "bazaar.application", "application_id"),
        (BAZAAR, "bazaar.bazaar_request", "request_id"),
        (BAZAAR, "bazaar.interest", "interest_id"),
        (NOTIFY, "notify.notification", "id"),
    ):
        said |= {(topic, row[key]): row["version"] for row in tables.get(table, ())}
    for name, rows in tables.items():
        if name.endswith(".dead_letter"):
            said |= {(OPERATIONS, row["id"]): 1 for row in rows if row["state"] == "failed"}
    return said


def _causes(evidence: Evidence, firsts: Firsts) -> Iterator[Finding]:
    """Every version of every aggregate is in the log, and nothing is in the log that no aggregate knows of."""
    said = _versions(evidence)
    found = {place: {r.sequence: r for r in records} for place, records in firsts.items() if place[0] not in COMMANDS}
    for topic, key in sorted(said.keys() | found.keys()):
        version, records = said.get((topic, key), 0), found.get((topic, key), {})
        for missing in sorted(set(range(1, version + 1)) - records.keys()):
            there = ", ".join(f"{sequence} at {record.place}" for sequence, record in records.items()) or "none"
            yield Finding("lost", topic, key, str(missing), f"the store is at version {version}; in the log: {there}")
        for sequence, record in records.items():
            if sequence is not None and sequence > version:
                detail = f"{record.type} at {record.place}; the store is at version {version}"
                yield Finding("without cause", topic, key, record.mark, detail)


def _promises(evidence: Evidence, firsts: Firsts) -> Iterator[Finding]:
    """Every acknowledged command has its event, once; every person is registered, once."""
    kept = Counter((topic, key, record.type) for (topic, key), records in firsts.items() for record in records)
    for (topic, key, kind), count in evidence.ledger.promised.items():
        if kept[topic, key, kind] < count:
            yield Finding("lost", topic, key, kind, f"acknowledged {count}, in the log {kept[topic, key, kind]}")
        elif kept[topic, key, kind] > count:
            yield Finding("doubled", topic, key, kind, f"acknowledged {count}, in the log {kept[topic, key, kind]}")
    rows = Counter(row["phone"] for row in evidence.tables.get("vendor.vendor", ()))
    for phone in sorted(evidence.ledger.people | rows.keys()):
        wanted = 1 if phone in evidence.ledger.people else 0
        if rows[phone] != wanted:
            fault = "lost" if rows[phone] < wanted else "doubled" if wanted else "without cause"
            yield Finding(fault, "vendor.vendor", phone, "", f"{rows[phone]} rows of this person, not {wanted}")


def _answers(evidence: Evidence, _: Firsts) -> Iterator[Finding]:
    for complaint in evidence.ledger.complaints:
        yield Finding("answer", "", "", "", complaint)


# --- effects at the consumers


def _witness(evidence: Evidence, firsts: Firsts) -> Iterator[Finding]:
    """The witness applied each event once, in the order of the log: its count and its trail equal the log."""
    if "witness" not in evidence.services:
        return
    told = {(row["topic"], row["key"]): row for row in evidence.tables["witness.tally"]}
    for topic, key in sorted(firsts.keys() | told.keys()):
        wanted = [record.mark for record in firsts.get((topic, key), [])]
        row = told.get((topic, key))
        trail = [] if row is None else list(row["trail"])
        count = 0 if row is None else row["count"]
        places = {record.mark: record.place for record in firsts.get((topic, key), [])}
        applied = Counter(trail)
        for mark in dict.fromkeys([*wanted, *trail]):
            where = f"the event is at {places[mark]}" if mark in places else "the event is not in the log"
            if applied[mark] > 1:
                yield Finding("effect doubled", topic, key, mark, f"the witness applied it {applied[mark]}x; {where}")
            elif mark in places and not applied[mark]:
                yield Finding("effect lost", topic, key, mark, f"the witness never applied it; {where}")
            elif mark not in places:
                yield Finding("effect wrong", topic, key, mark, f"the witness applied it; {where}")
        if count != len(trail):
            yield Finding("effect wrong", topic, key, "", f"the witness counted {count} and noted {len(trail)}")
        if applied == Counter(wanted) and trail != wanted:
            yield Finding(
                "disordered", topic, key, "", f"applied as {' '.join(trail)}, published as {' '.join(wanted)}"
            )


def _copies(evidence: Evidence, firsts: Firsts) -> Iterator[Finding]:
    """The registry itself, and every copy of it, are what the log adds up to."""
    vendors: dict[str, Any] = {}
    cards: dict[str, Any] = {}
    completed: dict[str, Any] = {}
    enrolled: dict[str, Any] = {}
    invited: dict[str, Any] = {}
    for record in _in_order(firsts):
        body = json.loads(record.value) if record.value else {}
        match record.type:
            case "VendorRegistered":
                vendors[record.key] = [body["kelurahan"], body["rw"], body["category"], body["agency"]]
                if "training" in evidence.services:
                    invited[f"{record.key} {INTRODUCTORY_COURSE}"] = []
            case "VendorCategoryChosen" if record.key in vendors:
                vendors[record.key][2] = body["category"]
            case "VendorCoached" if record.key in vendors:
                vendors[record.key][3] = body["agency"]
            case "ContactCard":
                cards[record.key] = [body["name"], body["phone"], body["email"], body["language"]]
            case "TrainingEnrolled":
                enrolled[f"{record.key} {body['class_id']}"] = [None]
            case "TrainingCompleted":
                completed[f"{record.key} {body['class_id']}"] = []
                enrolled[f"{record.key} {body['class_id']}"] = ["completed"]
            case "TrainingNotCompleted":
                completed.pop(f"{record.key} {body['class_id']}", None)
                enrolled[f"{record.key} {body['class_id']}"] = ["not-completed"]

    def compared(table: str, topic: str, wanted: Mapping[str, Any], keys: str, columns: str = "") -> Iterator[Finding]:
        if table in evidence.tables:
            found = {
                " ".join(row[key] for key in keys.split()): [row[column] for column in columns.split()]
                for row in evidence.tables[table]
            }
            yield from _differences(table, topic, wanted, found)

    for service in ("vendor", "training", "bazaar"):
        yield from compared(f"{service}.vendor", VENDOR, vendors, "vendor_id", "kelurahan rw category agency")
    for table in ("vendor.vendor", "notify.contact"):
        yield from compared(table, CONTACT, cards, "vendor_id", "name phone email language")
    yield from compared("training.vendor_name", CONTACT, {vendor_id: [] for vendor_id in cards}, "vendor_id")
    yield from compared("training.invitation", VENDOR, invited, "vendor_id course")
    yield from compared("training.enrolment", TRAINING, enrolled, "vendor_id class_id", "result")
    yield from compared("bazaar.completion", TRAINING, completed, "vendor_id class_id")


def _in_order(firsts: Firsts) -> Iterator[Record]:
    """The events of each key by their version, whatever order the log has them in."""
    for records in firsts.values():
        yield from sorted(records, key=lambda record: record.sequence or 0)


def _differences(table: str, topic: str, wanted: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[Finding]:
    for key in sorted(wanted.keys() | found.keys()):
        if key not in found:
            yield Finding("effect lost", topic, key, "", f"{table} has no row of it")
        elif key not in wanted:
            yield Finding("effect wrong", topic, key, "", f"{table} has a row of it, the log nothing")
        elif wanted[key] != found[key]:
            yield Finding("effect wrong", topic, key, "", f"{table} differs from what the log adds up to")


def _invitations(evidence: Evidence, firsts: Firsts) -> Iterator[Finding]:
    """A registration makes one first invitation, and a vendor is invited to a course at most once more."""
    if "training" not in evidence.services:
        return
    for (topic, key), records in firsts.items():
        sent = [record for record in records if topic == TRAINING and record.type == "TrainingInvited"]
        to_wait = [record for record in sent if not json.loads(record.value or b"{}").get("class_id")]
        if len(to_wait) > 1 or len(sent) - len(to_wait) > 1:
            places = ", ".join(f"{record.mark} at {record.place}" for record in sent)
            yield Finding("effect doubled", topic, key, sent[-1].mark, f"invited more than once: {places}")


# --- messages


def _messages(evidence: Evidence, firsts: Firsts) -> Iterator[Finding]:
    """Each event that makes a message made one, and so did nothing else but a person's answer."""
    if "notify" not in evidence.services:
        return
    wanted = {
        (record.id, MESSAGES[record.type]): record
        for records in firsts.values()
        for record in records
        if record.type in MESSAGES
    }
    rows = evidence.tables["notify.notification"]
    planned = Counter((row["event_id"], row["template"]) for row in rows)
    for (event, template), record in wanted.items():
        if planned[event, template] != 1:
            fault = "effect doubled" if planned[event, template] else "effect lost"
            detail = f"{planned[event, template]} messages {template} of the event at {record.place}"
            yield Finding(fault, record.topic, record.key, record.mark, detail)
    replies = {row["reply_id"] for row in evidence.tables.get("notify.reply", ())}
    for row in rows:
        answers = row["event_id"] in replies and row["template"].startswith(books.ECHO)
        if (row["event_id"], row["template"]) not in wanted and not answers:
            place = (NOTIFY, row["id"], row["template"])
            yield Finding("effect wrong", *place, f"its event {row['event_id']} is not in the log")


# --- what must not be left


def _left_over(evidence: Evidence, _: Firsts) -> Iterator[Finding]:
    for service in sorted(evidence.services):
        for table in MECHANISMS:
            for row in evidence.tables.get(f"{service}.{table}", ()):
                if table == "dead_letter" and row["state"] in ("replayed", "discarded"):
                    continue
                values = " ".join(f"{name}={value}" for name, value in row.items() if name not in ("topic", "key"))
                yield Finding("left over", row.get("topic") or "", row["key"] or "", f"{service}.{table}", values)


CHECKS: tuple[Callable[[Evidence, Firsts], Iterator[Finding]], ...] = (
    _envelopes,
    _repeats,
    _order,
    _causes,
    _promises,
    _answers,
    _witness,
    _copies,
    _invitations,
    _messages,
    *books.CHECKS,
    _left_over,
)
