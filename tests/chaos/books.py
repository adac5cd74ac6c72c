"""The part of the checker that holds messages against the books of those who took them: phones and mailboxes.

Written apart from the services like the rest: it knows by itself what may be sent again (what the provider itself
reported as failed, and an offer that was met by silence), and what a person's YA must lead to.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from tests.chaos.evidence import BAZAAR, BAZAAR_COMMANDS, NOTIFY, Entry, Evidence, Row
from tests.chaos.findings import Finding, Firsts

__all__ = ["CHECKS", "ECHO", "PRESSING", "Unknown", "count_ways", "list_unknown", "trace"]

PROVIDERS: Mapping[str, str] = {"wa-main": "whatsapp", "sms-a": "twilio", "sms-b": "vonage"}
"""Our name of a provider -> whose book it keeps."""
REACHED = ("delivered", "read")
ECHO = "reply-"
"""Templates that answer what a person wrote begin so: they go back the way it came, and no other."""
PRESSING = frozenset(
    {
        "booth-assigned",
        "booth-offer-expiring",
        "booth-swap-proposed",
        "application-rescheduled",
        "application-cancelled",
        "gate-closing-changed",
        "training-session-near",
    }
)
"""Templates of messages that silence sends on to the next channel."""
ANSWERS: Mapping[str, tuple[str, str, str]] = {
    "YA": ("accept", "confirm", "BoothConfirmed"),
    "TIDAK": ("decline", "decline", "BoothDeclined"),
}
"""What a person writes -> what is understood, what is asked of bazaar, what comes of it."""


class _Message(NamedTuple):
    """A notification with its attempts, and what books and mailboxes have of it."""

    row: Row
    attempts: Sequence[Row]
    entries: Sequence[Entry]
    mails: int

    @property
    def place(self) -> tuple[str, str, str]:
        return NOTIFY, self.row["id"], self.row["template"]

    @property
    def state(self) -> str:
        return str(self.row["state"])

    @property
    def is_echo(self) -> bool:
        return str(self.row["template"]).startswith(ECHO)

    @property
    def reached(self) -> bool:
        return any(one.status in REACHED for one in self.entries)

    def books(self) -> str:
        """What the books say, for people."""
        said = [f"{one.provider} {one.message_id} {one.status}" for one in self.entries]
        return ", ".join([*said, *["e-mail"] * self.mails]) or "nothing"


class Unknown(NamedTuple):
    """A message of which nobody knows whether it left, and what the books would tell."""

    notification: str
    attempt: str
    provider: str
    books: str


def list_unknown(evidence: Evidence) -> list[Unknown]:
    """Every message of unknown fate."""
    return [
        Unknown(one.row["id"], last["id"], last["provider"], one.books())
        for one in _messages(evidence)
        if one.state == "unknown"
        for last in one.attempts[-1:]
    ]


def count_ways(evidence: Evidence, firsts: Firsts) -> dict[str, int]:
    """How many messages each taker has, how many channels failed and why, what people answered."""
    found = Counter(f"taken by {one.provider}" for one in evidence.books if not one.inbound)
    found["taken by e-mail"] = len(evidence.mailbox)
    for (topic, _), records in firsts.items():
        for record in records:
            if topic == NOTIFY and record.type == "NotificationChannelFailed":
                found["sent on after silence" if _body(record.value)["reason"] == "no-receipt" else "sent on"] += 1
            found["answers passed on"] += topic == BAZAAR_COMMANDS
    found["answers written"] = sum(one.inbound for one in evidence.books)
    found["reports taken in"] = len(evidence.told)
    return dict(found)


def trace(evidence: Evidence, firsts: Firsts, notification: str) -> list[str]:
    """What there is of a message, line by line: what we keep, what its events, books and reports say."""
    for one in _messages(evidence):
        if one.row["id"] == notification:
            ids = {row["id"] for row in one.attempts}
            kept = [row for row in evidence.tables["notify.receipt"] if row["attempt_id"] in ids]
            events = [record for record in firsts.get((NOTIFY, notification), ()) if record.topic == NOTIFY]
            return [
                f"notification {dict(one.row)}",
                *(f"attempt {dict(row)}" for row in one.attempts),
                *(f"receipt {dict(row)}" for row in kept),
                *(f"event {record.mark} {record.type} {_body(record.value)}" for record in events),
                *(f"in a book: {replace(entry, text='', person='')}" for entry in one.entries),
                *(f"told: {report}" for report in evidence.told if report.reference in ids),
            ]
    return []


def _messages(evidence: Evidence) -> list[_Message]:
    attempts: dict[str, list[Row]] = defaultdict(list)
    for row in sorted(evidence.tables.get("notify.attempt", ()), key=lambda one: one["number"]):
        attempts[row["notification_id"]].append(row)
    entries = _by_attempt(evidence)
    mails = Counter(mail.notification for mail in evidence.mailbox)
    return [
        _Message(
            row,
            attempts[row["id"]],
            [entry for attempt in attempts[row["id"]] for entry in entries.get(attempt["id"], ())],
            mails[row["id"]],
        )
        for row in evidence.tables.get("notify.notification", ())
    ]


def _by_attempt(evidence: Evidence) -> dict[str, list[Entry]]:
    found: dict[str, list[Entry]] = defaultdict(list)
    for entry in evidence.books:
        if not entry.inbound:
            found[entry.reference].append(entry)
    return found


def _body(value: bytes | None) -> Any:
    return json.loads(value or b"{}")


# --- the books against the attempts


def _entries(evidence: Evidence, _: Firsts) -> Iterator[Finding]:
    """What a book has is an attempt of ours at that provider, once, to the person it is for."""
    attempts = {row["id"]: row for row in evidence.tables.get("notify.attempt", ())}
    whose = {row["id"]: row["vendor_id"] for row in evidence.tables.get("notify.notification", ())}
    phones = {row["vendor_id"]: row["phone"] for row in evidence.tables.get("notify.contact", ())}
    for reference, entries in _by_attempt(evidence).items():
        attempt = attempts.get(reference)
        for entry in entries:
            there = f"{entry.message_id} in the book of {entry.provider}"
            if attempt is None:
                yield Finding("told twice", NOTIFY, reference, "", f"{there} is no attempt of ours")
                continue
            place = (NOTIFY, attempt["notification_id"], reference)
            if PROVIDERS.get(attempt["provider"]) != entry.provider:
                yield Finding("contradicted", *place, f"{there}: it was to go by {attempt['provider']}")
            elif entry.person != (phones.get(whose.get(attempt["notification_id"], "")) or "").lstrip("+"):
                yield Finding("contradicted", *place, f"{there}: it is somebody else's")
        if attempt is not None and len(entries) > 1:
            ids = ", ".join(entry.message_id for entry in entries)
            yield Finding("told twice", NOTIFY, attempt["notification_id"], reference, f"one attempt, taken as {ids}")


def _outcomes(evidence: Evidence, _: Firsts) -> Iterator[Finding]:
    """What an attempt says of itself is what its book says. Lost and ambiguous ones say nothing."""
    entries = _by_attempt(evidence)
    for row in evidence.tables.get("notify.attempt", ()):
        if row["channel"] == "email":
            continue
        found = [entry.status for entry in entries.get(row["id"], ())]
        place = (NOTIFY, row["notification_id"], row["id"])
        there = f"in the book of {row['provider']}: {', '.join(found) or 'nothing'}"
        outcome, status = row["outcome"], row["status"]
        if outcome is None:
            yield Finding("left over", *place, f"no outcome; {there}")
        elif outcome == "accepted" and not found:
            yield Finding("not told", *place, f"said to be taken; {there}")
        elif (outcome == "deferred" and found) or (outcome == "rejected" and set(found) - {"failed"}):
            yield Finding("contradicted", *place, f"said to be {outcome}; {there}")
        elif (status in REACHED and not set(found) & set(REACHED)) or (status == "failed" and "failed" not in found):
            yield Finding("contradicted", *place, f"said to be {status}; {there}")


# --- the books against the messages


def _copies(evidence: Evidence, firsts: Firsts) -> Iterator[Finding]:
    """A person has a message once, but for what its provider reported as failed, and for an offer met by silence."""
    silences = Counter(
        key
        for (topic, key), records in firsts.items()
        for record in records
        if topic == NOTIFY
        and record.type == "NotificationChannelFailed"
        and _body(record.value)["reason"] == "no-receipt"
    )
    for one in _messages(evidence):
        allowed = 1 + (silences[one.row["id"]] if one.row["template"] in PRESSING else 0)
        standing = [entry for entry in one.entries if entry.status != "failed"]
        if len(standing) + one.mails > allowed:
            yield Finding("told twice", *one.place, f"{len(standing) + one.mails} copies: {one.books()}")
    known = {row["id"] for row in evidence.tables.get("notify.notification", ())}
    for notification, times in Counter(mail.notification for mail in evidence.mailbox).items():
        if notification not in known:
            yield Finding("told twice", NOTIFY, notification, "", f"{times} messages in the mailbox, no notification")


def _states(evidence: Evidence, _: Firsts) -> Iterator[Finding]:
    """What a message is said to be is what became of it. Everybody has a mailbox that takes all, so none may fail."""
    told = {(one.reference, one.status) for one in evidence.told}
    for one in _messages(evidence):
        taken = bool(one.entries or one.mails)
        failed = taken and not one.mails and all((e.reference, "failed") in told for e in one.entries)
        match one.state:
            case "delivered":
                if not one.reached:
                    yield Finding("contradicted", *one.place, f"said to be delivered; in the books: {one.books()}")
            case "sent" if one.row["channel"] == "inbox":
                if not one.is_echo:
                    yield Finding("not told", *one.place, "put in the inbox alone, for somebody with a mailbox")
            case "sent":
                if not taken:
                    yield Finding("not told", *one.place, "said to be sent, and in no book and no mailbox")
                elif failed:
                    yield Finding("contradicted", *one.place, f"said to be sent, told that it failed: {one.books()}")
            case "unknown":
                for last in one.attempts[-1:]:
                    if heard := sorted(status for reference, status in told if reference == last["id"]):
                        yield Finding("effect lost", *one.place, f"unknown, though it was told: {', '.join(heard)}")
            case "rejected" | "expired":
                if one.reached or one.mails:
                    yield Finding("contradicted", *one.place, f"said to be {one.state}; in the books: {one.books()}")
                elif not (one.is_echo and _failed_everywhere(one)):
                    yield Finding("not told", *one.place, f"{one.state}: {one.row['reason']}")
            case still:
                yield Finding("left over", *one.place, f"still {still}")


def _failed_everywhere(one: _Message) -> bool:
    """Whether each of its attempts was refused, or reported as failed."""
    return all(row["outcome"] == "rejected" or row["status"] == "failed" for row in one.attempts)


# --- reports


def _reports(evidence: Evidence, _: Firsts) -> Iterator[Finding]:
    """What a provider told and was answered for is kept; nothing is kept that no book has."""
    attempts = {row["id"]: row for row in evidence.tables.get("notify.attempt", ())}
    kept = {(row["attempt_id"], row["status"]) for row in evidence.tables.get("notify.receipt", ())}
    entries = {reference: found[0] for reference, found in _by_attempt(evidence).items()}
    told: dict[tuple[str, str], set[str]] = defaultdict(set)
    for report in evidence.told:
        told[report.reference, report.status].add(report.message_id)
    for (reference, status), parts in sorted(told.items()):
        attempt, entry = attempts.get(reference), entries.get(reference)
        if attempt is None or entry is None:
            continue  # named already
        # Vonage tells of each part: a message is delivered when all of them are, until then it was sent
        partly = entry.provider == "vonage" and len(parts) < entry.parts
        means = "sent" if status == "delivered" and partly else status
        if (reference, means) not in kept:
            detail = f"{status} was told of attempt {reference}, answered for, and not taken in"
            yield Finding("effect lost", NOTIFY, attempt["notification_id"], status, detail)
    for reference, status in sorted(kept):
        entry = entries.get(reference)
        could = {"failed"} if entry is not None and entry.status == "failed" else {"sent", *REACHED}
        if entry is None or status not in could:
            there = "nothing" if entry is None else entry.status
            detail = f"{status} is kept of attempt {reference}; its book: {there}"
            yield Finding("without cause", NOTIFY, attempts[reference]["notification_id"], status, detail)


# --- answers


def _answers(evidence: Evidence, firsts: Firsts) -> Iterator[Finding]:
    """What a person wrote is taken once; its YA or TIDAK is passed on to bazaar once, and decided there once."""
    if "notify.reply" not in evidence.tables:
        return
    replies = {(PROVIDERS.get(row["provider"], ""), row["message_id"]): row for row in evidence.tables["notify.reply"]}
    vendors = {row["phone"].lstrip("+"): row["vendor_id"] for row in evidence.tables["notify.contact"] if row["phone"]}
    commands = [
        (record, _body(record.value))
        for (topic, _), records in firsts.items()
        for record in records
        if topic == BAZAAR_COMMANDS
    ]
    by_vendor: dict[str, list[Any]] = defaultdict(list)
    for record, body in commands:
        by_vendor[body["vendor_id"]].append((record, body))
    offers: dict[str, set[str]] = defaultdict(set)
    became: Counter[tuple[str, str]] = Counter()
    for (topic, key), records in firsts.items():
        for record in records:
            if topic == BAZAAR:
                became[key, record.type] += 1
                if record.type == "BoothAssigned":
                    offers[_body(record.value)["vendor_id"]].add(key)
    written = [one for one in evidence.books if one.inbound]
    for entry in written:
        reply = replies.pop((entry.provider, entry.message_id), None)
        place = (NOTIFY, entry.message_id, entry.text)
        if reply is None:
            yield Finding("effect lost", *place, f"what {entry.provider} was written was never taken in")
        elif reply["intent"] != ANSWERS[entry.text][0]:
            yield Finding("effect wrong", *place, f"understood as {reply['intent']}")
    # somebody who is not sure that its word left says it again: that is one answer all the same
    for entry in {one.person: one for one in written}.values():
        _, asked, event = ANSWERS[entry.text]
        vendor = vendors.get(entry.person, "")
        place = (NOTIFY, entry.message_id, entry.text)
        passed_on = by_vendor.pop(vendor, [])
        if len(passed_on) != 1:
            fault = "effect doubled" if passed_on else "effect lost"
            yield Finding(fault, *place, f"{len(passed_on)} RespondToOffer of vendor {vendor}")
            continue
        record, body = passed_on[0]
        if body["answer"] != asked or body["application_id"] not in offers[vendor]:
            yield Finding("effect wrong", *place, f"{record.id} says {body['answer']} of {body['application_id']}")
        decided = became[body["application_id"], event] + became[record.id, "OfferResponseRefused"]
        if decided != 1:
            fault = "effect doubled" if decided else "effect lost"
            yield Finding(fault, BAZAAR, body["application_id"], event, f"{decided} decisions on {record.id}")
    for vendor, passed_on in by_vendor.items():
        for record, body in passed_on:
            place = (BAZAAR_COMMANDS, body["application_id"], record.id)
            yield Finding("without cause", *place, f"vendor {vendor} wrote nothing")
    for provider, message in replies:
        yield Finding("without cause", NOTIFY, message, "", f"a reply that is not in the book of {provider}")


CHECKS = (_entries, _outcomes, _copies, _states, _reports, _answers)
