"""The checker by itself: a small orderly world, spoiled in one place at a time; it must name exactly that."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from services.notify.plans import PLANS, Lane
from tests.chaos.books import PRESSING, list_unknown, trace
from tests.chaos.checker import MESSAGES, count_duplicates, count_events, first_appearances, judge
from tests.chaos.evidence import (
    BAZAAR,
    BAZAAR_COMMANDS,
    CONTACT,
    NOTIFY,
    OPERATIONS,
    TRAINING,
    VENDOR,
    VENDOR_COMMANDS,
    Entry,
    Evidence,
    Ledger,
    Mail,
    Record,
    Report,
)

PARTITION = 3
VENDORS = ("v1", "v2")
Spoil = Callable[[Evidence], None]
Named = set[tuple[str, str, str, str]]
TOLD = "n-VendorRegistered-v1-1"
"""Told by e-mail, as all messages of these two but those that `by_phone` tells."""
CALLED = "n-TrainingInvited-v1-1"
OFFERED = "n-BoothAssigned-a-v1-2"


def publish(evidence: Evidence, topic: str, key: str, kind: str, sequence: int | None = 1, **body: Any) -> Record:
    """The next record of a topic."""
    log = evidence.log.setdefault(topic, [])
    identity = f"{kind}-{key}-{sequence}"
    record = Record(topic, PARTITION, len(log), key, kind, identity, key, sequence, json.dumps(body).encode())
    log.append(record)
    return record


def orderly() -> Evidence:
    """Two vendors who went all the way, a command that was refused, and all that follows."""
    tables: dict[str, list[Any]] = {
        name: []
        for name in (
            *("vendor.vendor", "training.vendor", "training.trainee", "training.training_class"),
            *("training.course", "training.vendor_name"),
            *("training.invitation", "training.enrolment", "bazaar.vendor", "bazaar.completion", "bazaar.bazaar"),
            *("bazaar.application", "notify.contact", "notify.notification", "witness.tally"),
        )
    }
    for service in ("vendor", "training", "bazaar", "notify", "witness"):
        tables |= {f"{service}.{table}": [] for table in ("outbox", "dead_letter", "parked_key", "due_timer")}
    tables |= {f"notify.{table}": [] for table in ("attempt", "receipt", "reply", "offer_answer")}
    evidence = Evidence({}, tables, [], Ledger())
    ledger = evidence.ledger
    publish(evidence, TRAINING, "c", "ClassOpened")
    publish(evidence, BAZAAR, "b", "BazaarAnnounced")
    tables["training.training_class"].append({"class_id": "c", "version": 1})
    tables["bazaar.bazaar"].append({"bazaar_id": "b", "version": 1})
    for key in VENDORS:
        home = {"kelurahan": "31.71.02.1001", "rw": "003", "category": None, "agency": "sosial"}
        publish(evidence, VENDOR, key, "VendorRegistered", 1, **home)
        publish(evidence, VENDOR, key, "VendorCategoryChosen", 2, category="health")
        card = {"name": key, "phone": f"+62{key}", "email": f"{key}@warga.example", "language": "id"}
        publish(evidence, CONTACT, key, "ContactCard", 1, **card)
        publish(evidence, TRAINING, key, "TrainingInvited", 1, class_id=None)
        publish(evidence, TRAINING, key, "TrainingEnrolled", 2, class_id="c")
        publish(evidence, TRAINING, key, "TrainingCompleted", 3, class_id="c")
        publish(evidence, BAZAAR, f"a-{key}", "ApplicationReceived")
        if key == "v1":
            publish(evidence, BAZAAR, f"a-{key}", "BoothAssigned", 2, vendor_id=key)
            publish(evidence, BAZAAR, f"a-{key}", "BoothConfirmed", 3, vendor_id=key)
        copy = {"vendor_id": key, **home, "category": "health"}
        tables["vendor.vendor"].append({**copy, **card, "version": 2, "card_version": 1})
        tables["training.vendor"].append(copy)
        tables["bazaar.vendor"].append(copy)
        tables["notify.contact"].append({"vendor_id": key, **card})
        tables["training.trainee"].append({"vendor_id": key, "version": 3})
        tables["training.vendor_name"].append({"vendor_id": key})
        tables["training.invitation"].append({"vendor_id": key, "course": "dasar-kewirausahaan"})
        tables["training.enrolment"].append({"vendor_id": key, "class_id": "c", "result": "completed"})
        tables["bazaar.completion"].append({"vendor_id": key, "class_id": "c"})
        tables["bazaar.application"].append({"application_id": f"a-{key}", "version": 3 if key == "v1" else 1})
        ledger.promise(VENDOR, key, "VendorRegistered")
        ledger.promise(VENDOR, key, "VendorCategoryChosen")
        ledger.people.add(card["phone"])
    publish(evidence, TRAINING, "dasar-kewirausahaan", "CourseListed")
    tables["training.course"].append({"course": "dasar-kewirausahaan", "version": 1})
    publish(evidence, VENDOR_COMMANDS, "ref", "RegisterVendor", None)
    publish(evidence, VENDOR, "k", "VendorRegistrationRefused")
    ledger.refused.add("k")
    for record in [record for records in list(evidence.log.values()) for record in records]:
        if record.type in MESSAGES:
            told = f"n-{record.id}"
            vendor = record.key.removeprefix("a-")
            tables["notify.notification"].append(
                {"id": told, "event_id": record.id, "template": MESSAGES[record.type], "state": "sent", "version": 1}
                | {"reason": None, "channel": "email", "vendor_id": vendor}
            )
            publish(evidence, NOTIFY, told, "NotificationSent")
            if told == CALLED:
                by_phone(evidence, told, "wa-main", "whatsapp", "failed")
                publish(evidence, NOTIFY, told, "NotificationChannelFailed", 2, reason="whatsapp 131026")
                by_phone(evidence, told, "sms-a", "twilio", "delivered")
                row(evidence, "notify.notification", id=told).update(state="delivered", channel="sms", version=2)
            elif told == OFFERED:
                by_phone(evidence, told, "wa-main", "whatsapp", "read", told_of=())
                publish(evidence, NOTIFY, told, "NotificationChannelFailed", 2, reason="no-receipt")
                by_phone(evidence, told, "sms-b", "vonage", "delivered")
                row(evidence, "notify.notification", id=told).update(state="delivered", channel="sms", version=2)
            else:
                attempt = {"id": f"{told}/smtp", "notification_id": told, "number": 1, "channel": "email"}
                tables["notify.attempt"].append(attempt | {"provider": "smtp", "outcome": "accepted", "status": None})
                evidence.mailbox.append(Mail(told, ("v@warga.example",)))
    says_yes(evidence)
    for topic, records in evidence.log.items():
        for key in dict.fromkeys(record.key for record in records):
            trail = [record.mark for record in records if record.key == key]
            tables["witness.tally"].append({"topic": topic, "key": key, "count": len(trail), "trail": trail})
    return evidence


def by_phone(
    evidence: Evidence, told: str, ours: str, provider: str, status: str, told_of: tuple[str, ...] | None = None
) -> None:
    """An attempt at one of v1's messages, as we and its provider know it, and the report of what became of it."""
    heard = (status,) if told_of is None else told_of
    attempt = {"id": f"{told}/{ours}", "notification_id": told, "number": len(evidence.books) + 1, "channel": "phone"}
    attempt |= {"provider": ours, "outcome": "accepted", "status": status if heard else None}
    evidence.tables["notify.attempt"].append(attempt)
    entry = Entry(provider, f"{provider}-{told}", "62v1", "Halo", False, f"{told}/{ours}", status)
    evidence.books.append(entry)
    for one in heard:
        evidence.told.append(Report(entry.message_id, entry.reference, one))
        evidence.tables["notify.receipt"].append({"attempt_id": entry.reference, "status": one})


def says_yes(evidence: Evidence) -> None:
    """v1 says YA to its offer, and is passed on."""
    evidence.books.append(Entry("vonage", "in-1", "62v1", "YA", True, "", "accepted"))
    evidence.tables["notify.reply"].append(
        {"reply_id": "r", "provider": "sms-b", "message_id": "in-1", "intent": "accept"}
    )
    publish(evidence, NOTIFY, "r", "ReplyReceived")
    publish(evidence, BAZAAR_COMMANDS, "a-v1", "RespondToOffer", None, **ANSWER)
    evidence.tables["notify.offer_answer"].append({"command_id": "RespondToOffer-a-v1-None", "outcome": "done"})


ANSWER = {"vendor_id": "v1", "application_id": "a-v1", "answer": "confirm"}


def row(evidence: Evidence, table: str, **where: Any) -> dict[str, Any]:
    """The row of a table with these values, to be spoiled."""
    (found,) = [one for one in evidence.tables[table] if all(one[name] == value for name, value in where.items())]
    assert isinstance(found, dict)
    return found


def drop(evidence: Evidence, table: str, **where: Any) -> None:
    """Take a row out of a table."""
    evidence.tables[table].remove(row(evidence, table, **where))


def again(evidence: Evidence, topic: str, place: int, **changed: Any) -> None:
    """Publish the record at this place of its topic a second time."""
    log = evidence.log[topic]
    log.append(replace(log[place], offset=len(log), **changed))


def swap_publication(evidence: Evidence) -> None:
    """v1's category is published before its registration."""
    log = evidence.log[VENDOR]
    log[0], log[1] = replace(log[1], offset=0), replace(log[0], offset=1)
    row(evidence, "witness.tally", topic=VENDOR, key="v1")["trail"] = ["2", "1"]


def lose_publication(evidence: Evidence) -> None:
    """The registration of v1 never left, and nobody heard it."""
    del evidence.log[VENDOR][0]
    row(evidence, "witness.tally", topic=VENDOR, key="v1").update(count=1, trail=["2"])


def twice_by_the_witness(evidence: Evidence) -> None:
    """The witness applied v2's card twice."""
    row(evidence, "witness.tally", topic=CONTACT, key="v2").update(count=2, trail=["1", "1"])


def never_by_the_witness(evidence: Evidence) -> None:
    """The witness did not apply v2's second event."""
    row(evidence, "witness.tally", topic=VENDOR, key="v2").update(count=1, trail=["1"])


def out_of_order_by_the_witness(evidence: Evidence) -> None:
    """The witness applied v1's events in another order than they were published."""
    row(evidence, "witness.tally", topic=VENDOR, key="v1").update(trail=["2", "1"])


def forge(evidence: Evidence) -> None:
    """An event that no aggregate knows of, heard by the witness."""
    publish(evidence, BAZAAR, "a-v2", "ApplicationWithdrawn", 2)
    row(evidence, "witness.tally", topic=BAZAAR, key="a-v2").update(count=2, trail=["1", "2"])


def invite_again(evidence: Evidence) -> None:
    """v1 is invited twice."""
    record = publish(evidence, TRAINING, "v1", "TrainingInvited", 4, class_id=None)
    row(evidence, "training.trainee", vendor_id="v1")["version"] = 4
    row(evidence, "witness.tally", topic=TRAINING, key="v1").update(count=4, trail=["1", "2", "3", "4"])
    told = {"id": "n-4", "event_id": record.id, "template": "training-invited", "state": "unknown", "version": 0}
    evidence.tables["notify.notification"].append({**told, "reason": None, "channel": "email", "vendor_id": "v1"})


def never_planned(evidence: Evidence) -> None:
    """v1 is not told of its registration."""
    drop(evidence, "notify.notification", id=TOLD)
    drop(evidence, "notify.attempt", notification_id=TOLD)
    evidence.mailbox.remove(Mail(TOLD, ("v@warga.example",)))


def entry(evidence: Evidence, ours: str, told: str = CALLED) -> Entry:
    """What its provider has of an attempt at a message."""
    (found,) = [one for one in evidence.books if one.reference == f"{told}/{ours}"]
    return found


def change(evidence: Evidence, ours: str, **changed: Any) -> None:
    """Have a book say something else of an attempt at the message that failed on WhatsApp and came by SMS."""
    old = entry(evidence, ours)
    evidence.books[evidence.books.index(old)] = replace(old, **changed)


def without_mail(evidence: Evidence, **said: Any) -> None:
    """A message was not mailed, and something else is said of it."""
    evidence.mailbox.remove(Mail(TOLD, ("v@warga.example",)))
    row(evidence, "notify.notification", id=TOLD).update(said)


def sent_though_it_failed(evidence: Evidence) -> None:
    """The message that failed on WhatsApp never went by SMS, and is said to be sent."""
    old = entry(evidence, "sms-a")
    evidence.books.remove(old)
    evidence.told.remove(Report(old.message_id, old.reference, "delivered"))
    drop(evidence, "notify.attempt", id=old.reference)
    drop(evidence, "notify.receipt", attempt_id=old.reference)
    row(evidence, "notify.notification", id=CALLED)["state"] = "sent"


def never_silent(evidence: Evidence) -> None:
    """The offer that came twice was never met by silence."""
    log = evidence.log[NOTIFY]
    log.remove(next(one for one in log if one.key == OFFERED and one.type == "NotificationChannelFailed"))
    row(evidence, "notify.notification", id=OFFERED)["version"] = 1
    row(evidence, "witness.tally", topic=NOTIFY, key=OFFERED).update(count=1, trail=["1"])


def write_again(evidence: Evidence, text: str = "YA") -> None:
    """v2, who was offered nothing, is taken to have written an answer."""
    evidence.books.append(Entry("twilio", "in-2", "62v2", text, True, "", "accepted"))
    evidence.tables["notify.reply"].append(
        {"reply_id": "r2", "provider": "sms-a", "message_id": "in-2", "intent": "accept"}
    )
    publish(evidence, NOTIFY, "r2", "ReplyReceived")
    evidence.tables["witness.tally"].append({"topic": NOTIFY, "key": "r2", "count": 1, "trail": ["1"]})


def answer_again(evidence: Evidence) -> None:
    """v1's YA is passed on a second time."""
    publish(evidence, BAZAAR_COMMANDS, "a-v1", "RespondToOffer", None, **ANSWER)
    log = evidence.log[BAZAAR_COMMANDS]
    log[-1] = replace(log[-1], id="other")
    row(evidence, "witness.tally", topic=BAZAAR_COMMANDS, key="a-v1").update(
        count=2, trail=["RespondToOffer-a-v1-None", "other"]
    )


def answer_never(evidence: Evidence) -> None:
    """v1's YA is not passed on."""
    evidence.log[BAZAAR_COMMANDS].clear()
    drop(evidence, "witness.tally", topic=BAZAAR_COMMANDS, key="a-v1")


SPOILED: dict[str, tuple[Spoil, Named]] = {
    "an event that was never published": (
        lose_publication,
        {
            ("lost", VENDOR, "v1", "1"),
            ("lost", VENDOR, "v1", "VendorRegistered"),
            # what was made of it has no cause any more
            ("effect wrong", VENDOR, "v1", ""),
            ("effect wrong", VENDOR, "v1 dasar-kewirausahaan", ""),
            ("effect wrong", NOTIFY, TOLD, "welcome"),
        },
    ),
    "an event published before its predecessor": (swap_publication, {("disordered", VENDOR, "v1", "1")}),
    "an event without a cause": (forge, {("without cause", BAZAAR, "a-v2", "2")}),
    "two events of one version": (
        lambda e: again(e, VENDOR, 1, id="other"),
        {("doubled", VENDOR, "v1", "2")},
    ),
    "a name that training never heard": (
        lambda e: drop(e, "training.vendor_name", vendor_id="v1"),
        {("effect lost", CONTACT, "v1", "")},
    ),
    "a course that nobody listed": (
        lambda e: drop(e, "training.course", course="dasar-kewirausahaan"),
        {("without cause", TRAINING, "dasar-kewirausahaan", "1")},
    ),
    "an event under another key": (
        lambda e: again(e, VENDOR, 1, fault="its key is not its subject"),
        {("unreadable", VENDOR, "v1", "2")},
    ),
    "a key in two partitions": (
        lambda e: e.log[VENDOR].append(replace(e.log[VENDOR].pop(1), partition=5, offset=0)),
        {("disordered", VENDOR, "v1", "")},
    ),
    "an acknowledged command without its event": (
        lambda e: e.ledger.promise(TRAINING, "c", "ClassFinished"),
        {("lost", TRAINING, "c", "ClassFinished")},
    ),
    "a command done twice": (
        lambda e: e.ledger.promised.update({(VENDOR, "v1", "VendorCategoryChosen"): -1, (VENDOR, "v1", "x"): 0}),
        {("doubled", VENDOR, "v1", "VendorCategoryChosen")},
    ),
    "a person who was never registered": (
        lambda e: e.ledger.people.add("+620"),
        {("lost", "vendor.vendor", "+620", "")},
    ),
    "a person registered without having asked": (
        lambda e: e.ledger.people.remove("+62v2"),
        {("without cause", "vendor.vendor", "+62v2", "")},
    ),
    "a refusal without its answer": (
        lambda e: e.ledger.refused.add("k2"),
        {("lost", VENDOR, "k2", "1")},
    ),
    "an answer no client should get": (
        lambda e: e.ledger.complaints.append("500"),
        {("answer", "", "", "")},
    ),
    "an effect done twice": (twice_by_the_witness, {("effect doubled", CONTACT, "v2", "1")}),
    "an effect that is missing": (never_by_the_witness, {("effect lost", VENDOR, "v2", "2")}),
    "effects in another order": (out_of_order_by_the_witness, {("disordered", VENDOR, "v1", "")}),
    "a trainee that is missing": (
        lambda e: drop(e, "training.vendor", vendor_id="v2"),
        {("effect lost", VENDOR, "v2", "")},
    ),
    "an invitation that is missing": (
        lambda e: drop(e, "training.invitation", vendor_id="v2"),
        {("effect lost", VENDOR, "v2 dasar-kewirausahaan", "")},
    ),
    "two invitations": (invite_again, {("effect doubled", TRAINING, "v1", "4")}),
    "a copy that differs": (
        lambda e: row(e, "bazaar.vendor", vendor_id="v1").update(category="food-drink"),
        {("effect wrong", VENDOR, "v1", "")},
    ),
    "a completion that is missing": (
        lambda e: drop(e, "bazaar.completion", vendor_id="v1"),
        {("effect lost", TRAINING, "v1 c", "")},
    ),
    "a contact that is missing": (
        lambda e: drop(e, "notify.contact", vendor_id="v2"),
        {("effect lost", CONTACT, "v2", "")},
    ),
    "a message that was never planned": (
        never_planned,
        {("effect lost", VENDOR, "v1", "1"), ("without cause", NOTIFY, TOLD, "1")},
    ),
    "a message handed over twice": (
        lambda e: e.mailbox.append(Mail(TOLD, ("v@warga.example",))),
        {("told twice", NOTIFY, TOLD, "welcome")},
    ),
    "a message said to be sent that was not": (
        lambda e: e.mailbox.remove(Mail(TOLD, ("v@warga.example",))),
        {("not told", NOTIFY, TOLD, "welcome")},
    ),
    "a message that nobody planned": (
        lambda e: e.mailbox.append(Mail("stranger", ("v@warga.example",))),
        {("told twice", NOTIFY, "stranger", "")},
    ),
    "a message in a book twice": (
        lambda e: e.books.append(replace(entry(e, "sms-a"), message_id="again")),
        {("told twice", NOTIFY, CALLED, f"{CALLED}/sms-a"), ("told twice", NOTIFY, CALLED, "training-invited")},
    ),
    "a message in a book that is nobody's attempt": (
        lambda e: e.books.append(replace(entry(e, "sms-a"), reference="stranger")),
        {("told twice", NOTIFY, "stranger", "")},
    ),
    "a message in the book of another provider": (
        lambda e: change(e, "sms-a", provider="vonage"),
        {("contradicted", NOTIFY, CALLED, f"{CALLED}/sms-a")},
    ),
    "a message to somebody else": (
        lambda e: change(e, "sms-a", person="62v2"),
        {("contradicted", NOTIFY, CALLED, f"{CALLED}/sms-a")},
    ),
    "a message that no book has": (
        lambda e: e.books.remove(entry(e, "sms-a")),
        {
            ("not told", NOTIFY, CALLED, f"{CALLED}/sms-a"),
            ("contradicted", NOTIFY, CALLED, "training-invited"),
            ("without cause", NOTIFY, CALLED, "delivered"),
        },
    ),
    "a message on two phones though the first had it": (
        lambda e: change(e, "wa-main", status="delivered"),
        {
            ("told twice", NOTIFY, CALLED, "training-invited"),
            ("contradicted", NOTIFY, CALLED, f"{CALLED}/wa-main"),
            ("without cause", NOTIFY, CALLED, "failed"),
        },
    ),
    "a message on a phone and in a mailbox": (
        lambda e: e.mailbox.append(Mail(CALLED, ("v@warga.example",))),
        {("told twice", NOTIFY, CALLED, "training-invited")},
    ),
    "a message said to be delivered that was not": (
        lambda e: change(e, "sms-a", status="sent"),
        {
            ("contradicted", NOTIFY, CALLED, f"{CALLED}/sms-a"),
            ("contradicted", NOTIFY, CALLED, "training-invited"),
        },
    ),
    "a message said to have failed that was delivered": (
        lambda e: row(e, "notify.notification", id=CALLED).update(state="rejected", reason="twilio 30003"),
        {("contradicted", NOTIFY, CALLED, "training-invited")},
    ),
    "a message said to be sent of which its failure was told": (
        sent_though_it_failed,
        {("contradicted", NOTIFY, CALLED, "training-invited")},
    ),
    "an attempt said not to be taken that was": (
        lambda e: row(e, "notify.attempt", id=f"{CALLED}/sms-a").update(outcome="deferred"),
        {("contradicted", NOTIFY, CALLED, f"{CALLED}/sms-a")},
    ),
    "an attempt said to be refused that was taken": (
        lambda e: row(e, "notify.attempt", id=f"{CALLED}/sms-a").update(outcome="rejected"),
        {("contradicted", NOTIFY, CALLED, f"{CALLED}/sms-a")},
    ),
    "an attempt without an outcome": (
        lambda e: row(e, "notify.attempt", id=f"{CALLED}/sms-a").update(outcome=None),
        {("left over", NOTIFY, CALLED, f"{CALLED}/sms-a")},
    ),
    "a report that was told and not taken in": (
        lambda e: drop(e, "notify.receipt", attempt_id=f"{CALLED}/sms-a"),
        {("effect lost", NOTIFY, CALLED, "delivered")},
    ),
    "a report that nobody made": (
        lambda e: e.tables["notify.receipt"].append({"attempt_id": f"{CALLED}/sms-a", "status": "failed"}),
        {("without cause", NOTIFY, CALLED, "failed")},
    ),
    "a message of unknown fate that was reported": (
        lambda e: row(e, "notify.notification", id=CALLED).update(state="unknown"),
        {("effect lost", NOTIFY, CALLED, "training-invited")},
    ),
    "a message sent on after silence that may not be": (
        never_silent,
        {("told twice", NOTIFY, OFFERED, "booth-assigned")},
    ),
    "a message left in the inbox alone": (
        lambda e: without_mail(e, channel="inbox"),
        {("not told", NOTIFY, TOLD, "welcome")},
    ),
    "an answer that was never taken in": (
        lambda e: drop(e, "notify.reply", reply_id="r"),
        {
            ("effect lost", NOTIFY, "in-1", "YA"),
            ("without cause", NOTIFY, "r", "1"),
        },
    ),
    "an answer taken for another": (
        lambda e: row(e, "notify.reply", reply_id="r").update(intent="decline"),
        {("effect wrong", NOTIFY, "in-1", "YA")},
    ),
    "an answer that was not passed on": (answer_never, {("effect lost", NOTIFY, "in-1", "YA")}),
    "an answer passed on twice": (answer_again, {("effect doubled", NOTIFY, "in-1", "YA")}),
    "an answer passed on as another": (
        lambda e: e.log[BAZAAR_COMMANDS].append(
            replace(e.log[BAZAAR_COMMANDS].pop(), value=json.dumps(ANSWER | {"answer": "decline"}).encode())
        ),
        {("effect wrong", NOTIFY, "in-1", "YA")},
    ),
    "an answer that nobody decided on": (write_again, {("effect lost", NOTIFY, "in-2", "YA")}),
    "an answer that nobody wrote": (
        lambda e: e.books.remove(next(one for one in e.books if one.inbound)),
        {
            ("without cause", NOTIFY, "in-1", ""),
            ("without cause", BAZAAR_COMMANDS, "a-v1", "RespondToOffer-a-v1-None"),
        },
    ),
    "a message given up": (
        lambda e: without_mail(e, state="rejected", reason="no-contact"),
        {("not told", NOTIFY, TOLD, "welcome")},
    ),
    "a message that still waits": (
        lambda e: row(e, "notify.notification", id=TOLD).update(state="retry"),
        {("left over", NOTIFY, TOLD, "welcome")},
    ),
    "an event left in an outbox": (
        lambda e: e.tables["bazaar.outbox"].append({"topic": BAZAAR, "key": "a-v1", "sequence": 1}),
        {("left over", BAZAAR, "a-v1", "bazaar.outbox")},
    ),
    "a dead letter": (
        lambda e: e.tables["notify.dead_letter"].append({"id": "d", "topic": VENDOR, "key": "v1", "state": "failed"}),
        {("lost", OPERATIONS, "d", "1"), ("left over", VENDOR, "v1", "notify.dead_letter")},
    ),
    "a timer that is due": (
        lambda e: e.tables["bazaar.due_timer"].append({"kind": "lapse", "key": "b"}),
        {("left over", "", "b", "bazaar.due_timer")},
    ),
}


def test_in_an_orderly_world_there_is_nothing_to_report() -> None:
    evidence = orderly()
    assert judge(evidence) == []
    told = len(evidence.tables["notify.notification"])
    assert count_events(evidence) == 2 * 7 + 2 + 3 + 1 + told + 2 + 1  # two messages were sent on, one was answered


def test_it_knows_which_messages_silence_sends_on() -> None:
    assert {plan.template for plan in PLANS.values() if plan.lane == Lane.OFFER} == PRESSING


def test_it_knows_every_message_that_is_told() -> None:
    """By itself, word for word: an event that notify tells of and the checker does not know would be a false alarm."""
    always = {event: plan for event, plan in PLANS.items() if plan.when is None and plan.recipient == "vendor_id"}
    assert {event.__name__: plan.template for event, plan in always.items()} == MESSAGES


def test_it_knows_whose_versions_the_events_of_a_season_are() -> None:
    evidence = orderly()
    for kind, table, key in (
        ("BazaarRequested", "bazaar.bazaar_request", "request_id"),
        ("InterestExpiring", "bazaar.interest", "interest_id"),
    ):
        publish(evidence, BAZAAR, key, kind)
        evidence.tables["witness.tally"].append({"topic": BAZAAR, "key": key, "count": 1, "trail": ["1"]})
        evidence.tables[table] = [{key: key, "version": 1}]
    assert {finding[:4] for finding in judge(evidence)} == {("effect lost", BAZAAR, "interest_id", "1")}
    for table in ("bazaar.bazaar_request", "bazaar.interest"):
        evidence.tables[table] = []
    without_cause = {finding[:4] for finding in judge(evidence) if finding.fault == "without cause"}
    assert without_cause == {("without cause", BAZAAR, key, "1") for key in ("request_id", "interest_id")}


def test_a_record_that_comes_again_is_counted_and_no_fault() -> None:
    evidence = orderly()
    again(evidence, VENDOR, 0)
    again(evidence, VENDOR, 1)
    assert judge(evidence) == []
    assert count_duplicates(evidence)[VENDOR] == 2
    assert count_events(evidence) == count_events(orderly())


def test_a_message_of_unknown_fate_is_no_fault_whether_it_arrived_or_not() -> None:
    evidence = orderly()
    row(evidence, "notify.notification", id=TOLD)["state"] = "unknown"
    assert judge(evidence) == []
    evidence.mailbox.remove(Mail(TOLD, ("v@warga.example",)))
    assert judge(evidence) == []
    assert [(one.notification, one.provider, one.books) for one in list_unknown(evidence)] == [
        (TOLD, "smtp", "nothing")
    ]


def test_who_says_yes_twice_has_said_it_once() -> None:
    evidence = orderly()
    evidence.books.append(Entry("vonage", "in-2", "62v1", "YA", True, "", "accepted"))
    evidence.tables["notify.reply"].append(
        {"reply_id": "r2", "provider": "sms-b", "message_id": "in-2", "intent": "accept"}
    )
    publish(evidence, NOTIFY, "r2", "ReplyReceived")
    evidence.tables["witness.tally"].append({"topic": NOTIFY, "key": "r2", "count": 1, "trail": ["1"]})
    assert judge(evidence) == []


def test_what_there_is_of_a_message_is_shown() -> None:
    evidence = orderly()
    lines = trace(evidence, first_appearances(evidence), CALLED)
    assert [line.partition(" ")[0] for line in lines].count("attempt") == 2
    assert any("whatsapp 131026" in line for line in lines)
    assert not any("62v1" in line for line in lines)


def test_of_a_text_in_several_parts_delivered_is_kept_when_all_of_them_are() -> None:
    evidence = orderly()
    old = entry(evidence, "sms-b", OFFERED)
    evidence.books[evidence.books.index(old)] = replace(old, parts=2)
    row(evidence, "notify.receipt", attempt_id=old.reference)["status"] = "sent"
    assert judge(evidence) == []
    evidence.told.append(Report("part-2", old.reference, "delivered"))
    assert [finding[:4] for finding in judge(evidence)] == [("effect lost", NOTIFY, OFFERED, "delivered")]


def test_a_provider_that_tells_once_of_all_parts_is_taken_at_its_word() -> None:
    evidence = orderly()
    change(evidence, "sms-a", parts=2)
    assert judge(evidence) == []
    row(evidence, "notify.receipt", attempt_id=f"{CALLED}/sms-a")["status"] = "sent"
    assert [finding[:4] for finding in judge(evidence)] == [("effect lost", NOTIFY, CALLED, "delivered")]


@pytest.mark.parametrize("what", SPOILED)
def test_it_names_exactly_what_was_spoiled(what: str) -> None:
    evidence = orderly()
    spoil, named = SPOILED[what]
    spoil(evidence)
    assert {finding[:4] for finding in judge(evidence)} == named
