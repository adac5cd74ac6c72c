"""The checker by itself: a small orderly world, spoiled in one place at a time; it must name exactly that."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from services.notify.plans import PLANS
from tests.chaos.checker import MESSAGES, count_duplicates, count_events, judge
from tests.chaos.evidence import (
    BAZAAR,
    CONTACT,
    NOTIFY,
    OPERATIONS,
    TRAINING,
    VENDOR,
    VENDOR_COMMANDS,
    Evidence,
    Ledger,
    Mail,
    Record,
)

PARTITION = 3
VENDORS = ("v1", "v2")
Spoil = Callable[[Evidence], None]
Named = set[tuple[str, str, str, str]]
TOLD = "n-VendorRegistered-v1-1"


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
        tables["bazaar.application"].append({"application_id": f"a-{key}", "version": 1, "state": "received"})
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
            tables["notify.notification"].append(
                {"id": told, "event_id": record.id, "template": MESSAGES[record.type], "state": "sent", "version": 1}
                | {"reason": None}
            )
            publish(evidence, NOTIFY, told, "NotificationSent")
            evidence.mailbox.append(Mail(told, ("v@warga.example",)))
    for topic, records in evidence.log.items():
        for key in dict.fromkeys(record.key for record in records):
            trail = [record.mark for record in records if record.key == key]
            tables["witness.tally"].append({"topic": topic, "key": key, "count": len(trail), "trail": trail})
    return evidence


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
    publish(evidence, BAZAAR, "a-v1", "ApplicationWithdrawn", 2)
    row(evidence, "witness.tally", topic=BAZAAR, key="a-v1").update(count=2, trail=["1", "2"])


def invite_again(evidence: Evidence) -> None:
    """v1 is invited twice."""
    record = publish(evidence, TRAINING, "v1", "TrainingInvited", 4, class_id=None)
    row(evidence, "training.trainee", vendor_id="v1")["version"] = 4
    row(evidence, "witness.tally", topic=TRAINING, key="v1").update(count=4, trail=["1", "2", "3", "4"])
    told = {"id": "n-4", "event_id": record.id, "template": "training-invited", "state": "unknown", "version": 0}
    evidence.tables["notify.notification"].append({**told, "reason": None})


def never_planned(evidence: Evidence) -> None:
    """v1 is not told of its registration."""
    drop(evidence, "notify.notification", id=TOLD)
    evidence.mailbox.remove(Mail(TOLD, ("v@warga.example",)))


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
    "an event without a cause": (forge, {("without cause", BAZAAR, "a-v1", "2")}),
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
        lambda e: drop(e, "notify.contact", vendor_id="v1"),
        {("effect lost", CONTACT, "v1", "")},
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
    "a message given up": (
        lambda e: row(e, "notify.notification", id=TOLD).update(state="rejected", reason="no-contact"),
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
    assert count_events(evidence) == 2 * 7 + 3 + 1 + len(evidence.mailbox)


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


@pytest.mark.parametrize("what", SPOILED)
def test_it_names_exactly_what_was_spoiled(what: str) -> None:
    evidence = orderly()
    spoil, named = SPOILED[what]
    spoil(evidence)
    assert {finding[:4] for finding in judge(evidence)} == named
