"""Referrals to banks: shown, sent, answered late, twice and contrarily, and withdrawn meanwhile; who learns whose."""

import asyncio
import itertools
import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

import pytest
from aiokafka import ConsumerRecord
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.training.app import create
from services.training.consumers import SUBSCRIPTIONS
from services.training.domain.referrals import Answer, standing
from services.vendor.app import create as create_registry
from services.vendor.consumers import subscriptions as of_registry
from shared.auth import LocalIssuer
from shared.consume import Consumer
from shared.crypto import Sealer
from shared.events.cases import AnswerCapitalReferral, CapitalPacketSent
from shared.events.documents import DocumentLapsed, DocumentVerified
from shared.events.envelope import Envelope, Event, write_headers
from shared.events.products import IndicatorsReported
from shared.events.programme import PartnerAgreementEnded, PartnerAgreementMade
from shared.events.rights import ConsentGiven, ConsentWithdrawn, VendorErased
from shared.events.training import CapitalReferralMoved
from shared.events.vendor import VendorKindChosen, VendorMerged, VendorUnmerged
from shared.ids import new_id
from tests.conftest import MakeDatabase, Serve, StandingClock
from tests.integration.training import School, moment, ok
from tests.integration.vendor import Registry

BANK = "bank-dki"
STATES = {"sent": 0, "received": 1, "approved": 2, "declined": 2, "withdrawn": 3}


class Office(School):
    """Training with a bank that has an agreement, and a door for that bank's commands."""

    told = 0
    versions: dict[UUID, int]

    async def say(self, *events: Event) -> None:
        """The registry tells these, each as the next of its key."""
        for event in events:
            key = UUID(event.subject)
            self.versions[key] = self.versions.get(key, 1 if key in self.known else 0) + 1
            await self.consumer().handle([self.record(event, self.versions[key], 5)])

    known: set[UUID]

    async def member(self, *, consent: bool = True) -> UUID:
        """A vendor, who consents."""
        (vendor,) = await self.register(1)
        self.known.add(vendor)
        if consent:
            await self.say(ConsentGiven(vendor_id=vendor, purpose="capital-referral"))
        return vendor

    async def agree(self, **more: Any) -> UUID:
        """A bank's agreement."""
        fields = {
            "partner_id": new_id(),
            "agreement_id": new_id(),
            "name": "Bank DKI",
            "kind": "bank",
            "area": "31",
            "valid_from": date(2023, 1, 1),
            "valid_until": date(2023, 12, 31),
            "code": BANK,
            "topics": ["capital"],
            **more,
        }
        await self.say(PartnerAgreementMade.model_validate(fields))
        return UUID(str(fields["agreement_id"]))

    async def prepare(self, vendor: UUID, *, token: str | None = None, bank: str = BANK) -> dict[str, Any]:
        """Put a packet together."""
        path = f"/v1/trainees/{vendor}/capital-referrals"
        return ok(await self.post(path, {"bank": bank}, token=token or self.vendor(vendor)), 201)

    async def send(self, vendor: UUID) -> UUID:
        """A referral that is with the bank."""
        made = await self.prepare(vendor)
        body = {"packet_sha256": made["packet_sha256"]}
        path = f"/v1/capital-referrals/{made['referral_id']}/send"
        assert ok(await self.post(path, body, token=self.vendor(vendor)))["state"] == "sent"
        return UUID(made["referral_id"])

    def command(self, referral: UUID | str, answer: str, at: datetime | str, *, bank: str = BANK) -> ConsumerRecord:
        """An answer of a bank as the next record of the commands."""
        said = at if isinstance(at, str) else at.isoformat()
        body = AnswerCapitalReferral(referral_id=str(referral), bank=bank, answer=answer, answered_at=said)
        return self.raw(str(referral), body.to_bytes())

    def raw(self, key: str, body: bytes) -> ConsumerRecord:
        """Any bytes as a command."""
        envelope = Envelope(new_id(), "AnswerCapitalReferral", "bank", self.clock.now(), key, None, None)
        headers = write_headers(envelope)
        offset = self.offsets[99]
        self.offsets[99] += 1
        topic = AnswerCapitalReferral.topic
        return ConsumerRecord(topic, 0, offset, 0, 0, key.encode(), body, None, len(key), len(body), headers)

    async def hear_bank(self, records: Sequence[ConsumerRecord]) -> None:
        """Take these commands as one batch."""
        (subscription,) = [one for one in SUBSCRIPTIONS if one.topic == AnswerCapitalReferral.topic]
        await Consumer("training", subscription, self.database, self.clock, self.sealer, asyncio.Event()).handle(
            records
        )

    async def states(self, referral: UUID) -> list[str]:
        """The states that were published of a referral."""
        moved = await self.published("CapitalReferralMoved")
        return [one.body["state"] for one in moved if one.body["referral_id"] == str(referral)]

    async def refusals(self) -> list[str]:
        """The codes of commands that were refused."""
        return [one.body["code"] for one in await self.published("CapitalReferralAnswerRefused")]

    async def show(self, referral: UUID, *, token: str | None = None) -> dict[str, Any]:
        """A referral as an officer sees it."""
        return ok(await self.get(f"/v1/capital-referrals/{referral}", token=token))


@pytest.fixture
async def office(
    make_database: MakeDatabase, serve: Serve, issuer: LocalIssuer, clock: StandingClock, sealer: Sealer
) -> Office:
    fresh = await make_database("training")
    office = Office(fresh.database, serve(create, fresh), issuer, clock, sealer)
    office.versions, office.known = {}, set()
    await office.agree()
    return office


async def test_a_vendor_sees_exactly_what_is_sent_and_then_what_the_bank_says(
    office: Office, clock: StandingClock
) -> None:
    vendor = await office.member()
    own = office.vendor(vendor)
    document, lapsing = new_id(), new_id()
    await office.say(
        DocumentVerified(vendor_id=vendor, document_id=document, kind="nib"),
        DocumentVerified(vendor_id=vendor, document_id=lapsing, kind="pirt", expires_on=date(2023, 2, 28)),
        DocumentVerified(vendor_id=vendor, document_id=new_id(), kind="halal"),
        VendorKindChosen(vendor_id=vendor, kind="usaha"),
    )
    figures = {"vendor_id": vendor, "assets_rupiah": 7_000_000, "workers": 2, "entered_by": "vendor"}
    for month, turnover, queried in (("2022-12", 1_500_000, False), ("2023-01", 900_000_000, True)):
        more = {"month": month, "turnover_rupiah": turnover, "queried": queried}
        await office.say(IndicatorsReported.model_validate({**figures, **more}))
    case_id = ok(await office.post(f"/v1/trainees/{vendor}/cases", {"service": "P7"}, token=own), 201)["case_id"]
    made = await office.prepare(vendor)
    referral = UUID(made["referral_id"])
    shown = await office.show(referral, token=own)
    assert shown["state"] == "prepared"
    assert made["packet_sha256"] == shown["packet_sha256"] == sha256(shown["packet"].encode()).hexdigest()
    assert json.loads(shown["packet"]) == {
        "vendor_id": str(vendor),
        "referral_id": str(referral),
        "bank": BANK,
        "consented_at": "2023-03-01T02:00:00Z",
        "kind": "usaha",
        "category": None,
        "kelurahan_area": "31.71.02",
        "member_since": "2023-03-01",
        "documents_valid": ["halal", "nib"],
        "trainings_completed": [],
        "months": ["2022-12"],
        "turnover_rupiah": [1_500_000],
        "assets_rupiah": 7_000_000,
        "workers": 2,
        "answer_by": "2023-03-22",
    }
    assert {"id": "Omzet 2022-12: Rp1.500.000", "en": "Turnover 2022-12: Rp1.500.000"} in shown["packet_words"]
    assert await office.published("CapitalPacketSent", "CapitalReferralMoved") == []

    body = {"packet_sha256": made["packet_sha256"]}
    ok(await office.post(f"/v1/capital-referrals/{referral}/send", body, token=own))
    async with office.database.read() as conn:
        sent = await conn.fetchval("SELECT payload FROM outbox WHERE type = 'CapitalPacketSent'")
    assert sent.decode() == shown["packet"], "byte for byte what was shown"
    assert [one.type for one in await office.published()][-3:] == [
        "CapitalPacketSent",
        "CapitalReferralMoved",
        "HelpCaseClosed",
    ]
    assert ok(await office.get(f"/v1/cases/{case_id}", token=own))["outcome"] == "referred"
    assert [*(await office.sequences())[vendor]] == list(range(1, 6))

    clock.moment = moment("2023-03-23T10:00")
    overdue = ok(await office.get("/v1/capital-referrals?overdue=true"))["items"]
    assert [one["referral_id"] for one in overdue] == [str(referral)]
    await office.hear_bank(
        [
            office.command(referral, "received", moment("2023-03-02T09:00")),
            office.command(referral, "approved", moment("2023-03-23T09:00")),
        ]
    )
    seen = ok(await office.get(f"/v1/trainees/{vendor}/capital-referrals", token=own))["items"][0]
    assert (seen["state"], seen["overdue"]) == ("approved", False)
    assert [one["words"]["en"] for one in seen["answers"]] == [
        "2 March 2023: received, to be looked at; another answer of the bank took its place.",
        "23 March 2023 (late): approved; it counts.",
    ]
    assert "ada pada bank" in seen["words"]["id"]


async def test_nothing_is_sent_that_was_not_shown_as_it_is(office: Office, clock: StandingClock) -> None:
    vendor = await office.member()
    own = office.vendor(vendor)
    made = await office.prepare(vendor)
    path = f"/v1/capital-referrals/{made['referral_id']}/send"

    async def refused(sha: str, token: str = own, **more: str) -> str:
        answer = await office.post(path, {"packet_sha256": sha, **more}, token=token)
        assert answer.status_code in (409, 422), answer.text
        return str(answer.json()["code"])

    assert await refused("0" * 64) == "packet-changed"
    assert await refused(made["packet_sha256"], office.officer()) == "shown-missing"
    await office.say(DocumentVerified(vendor_id=vendor, document_id=new_id(), kind="nib"))
    assert await refused(made["packet_sha256"]) == "packet-changed"
    again = await office.prepare(vendor)
    assert again["referral_id"] == made["referral_id"]
    assert again["packet_sha256"] != made["packet_sha256"]
    clock.advance(days=8)
    assert await refused(again["packet_sha256"]) == "preview-too-old"
    last = await office.prepare(vendor)
    sent = await office.post(path, {"packet_sha256": last["packet_sha256"], "shown": "on-paper"})
    assert ok(sent)["state"] == "sent"
    assert await refused(last["packet_sha256"]) == "referral-sent"
    stands = await office.post(f"/v1/trainees/{vendor}/capital-referrals", {"bank": BANK}, token=own)
    assert ok(stands, 409)["code"] == "referral-stands"


async def test_a_bank_is_asked_only_with_consent_and_with_an_agreement_in_force(
    office: Office, clock: StandingClock
) -> None:
    vendor = await office.member(consent=False)

    async def refused(bank: str = BANK) -> str:
        answer = await office.post(f"/v1/trainees/{vendor}/capital-referrals", {"bank": bank})
        return str(answer.json().get("code"))

    assert await refused() == "consent-missing"
    await office.say(ConsentGiven(vendor_id=vendor, purpose="partners"))
    assert await refused() == "consent-missing", "another consent is another matter"
    await office.say(ConsentGiven(vendor_id=vendor, purpose="capital-referral"))
    await office.agree(code="bank-lain", topics=["training"])
    await office.agree(code="kadin", kind="chamber")
    await office.agree(code="bank-utara", area="31.72")
    ended = await office.agree(code="bank-lama")
    for bank in ("bank-lain", "kadin", "bank-utara", "nobody"):
        assert await refused(bank) == "bank-unknown"
    assert {one["code"] for one in ok(await office.get("/v1/banks?area=31.71.02"))["items"]} == {BANK, "bank-lama"}
    async with office.database.read() as conn:
        partner = await conn.fetchval("SELECT partner_id FROM partner_agreement WHERE agreement_id = $1", ended)
    await office.say(
        PartnerAgreementEnded(partner_id=partner, agreement_id=ended, ended_on=date(2023, 3, 1), lapsed=False)
    )
    assert await refused("bank-lama") == "bank-unknown"
    clock.moment = moment("2023-12-31T23:00")
    assert await refused() == "None"
    clock.moment = moment("2024-01-01T00:00")
    assert await refused() == "bank-unknown"


async def test_answers_that_cannot_be_taken_are_answered_and_keep_no_other_back(office: Office) -> None:
    vendor = await office.member()
    referral = await office.send(vendor)
    now = office.clock.now()
    await office.hear_bank(
        [
            office.command(new_id(), "approved", now),
            office.command("nothing", "approved", now),
            office.command(referral, "approved", now, bank="bank-lain"),
            office.command(referral, "perhaps", now),
            office.command(referral, "approved", "soon"),
            office.command(referral, "approved", now + timedelta(hours=1)),
            office.command(referral, "approved", now - timedelta(hours=1)),
            office.command(referral, "received", now),
        ]
    )
    await office.hear_bank([office.raw(str(referral), b"{"), office.raw("x", b'{"referral_id": 7}')])
    assert await office.refusals() == [
        "referral-unknown",
        "malformed",
        "referral-unknown",
        "malformed",
        "malformed",
        "answered-at-refused",
        "answered-at-refused",
        "malformed",
        "malformed",
    ]
    unknown, _, foreign, *_ = await office.published("CapitalReferralAnswerRefused")
    assert unknown.body["reason"] == foreign.body["reason"], "whether another bank has it is not told"
    assert await office.states(referral) == ["sent", "received"]
    async with office.database.read() as conn:
        assert await conn.fetchval("SELECT count(*) FROM dead_letter") == 0


async def test_every_order_of_late_doubled_and_contrary_answers_ends_in_the_same_state(office: Office) -> None:
    sent = office.clock.now()
    office.clock.advance(days=80)  # type: ignore[attr-defined] # it stands still
    answers = [("received", 1), ("approved", 25), ("declined", 40), ("approved", 56)]
    expected = "declined"
    orders = list(itertools.permutations([*answers, answers[2]]))
    vendors = await office.register(len(orders))
    referrals = [new_id() for _ in orders]
    await sent_already(office, list(zip(referrals, vendors, strict=True)), sent)
    records = [
        office.command(referral, answer, sent + timedelta(days=days))
        for referral, order in zip(referrals, orders, strict=True)
        for answer, days in order
    ]
    await office.hear_bank(records)
    moves: dict[str, list[str]] = {}
    for one in await office.published("CapitalReferralMoved"):
        moves.setdefault(one.body["referral_id"], []).append(one.body["state"])
    assert {states[-1] for states in moves.values()} == {expected}
    assert len(moves) == len(orders)
    for states in moves.values():
        assert [STATES[state] for state in states] == sorted(STATES[state] for state in states)
        assert all(one != other for one, other in itertools.pairwise(["sent", *states])), "no event without a change"
    for sequences in (await office.sequences()).values():
        assert sequences == list(range(1, len(sequences) + 1))
    async with office.database.read() as conn:
        assert await conn.fetchval("SELECT count(*) FROM capital_answer") == len(answers) * len(orders)


async def sent_already(office: Office, referrals: Sequence[tuple[UUID, UUID]], at: datetime) -> None:
    """Referrals that are with the bank, written straight into the table: what comes before is tested elsewhere."""
    async with office.database.transaction() as conn:
        await conn.executemany(
            "INSERT INTO capital_referral (referral_id, vendor_id, bank, state, packet, packet_sha256, answer_by, "
            "prepared_by, prepared_at, shown, sent_by, sent_at) "
            "VALUES ($1, $2, 'bank-dki', 'sent', $5, '', $3, 'o', $4, 'itself', 'v', $4)",
            [
                (referral, vendor, at.date() + timedelta(days=21), at, packet(referral, vendor, at))
                for referral, vendor in referrals
            ],
        )


def packet(referral: UUID, vendor: UUID, at: datetime) -> bytes:
    """The least that a bank can be sent."""
    return CapitalPacketSent(
        vendor_id=vendor,
        referral_id=referral,
        bank=BANK,
        consented_at=at,
        kelurahan_area="31.71.02",
        answer_by=at.date() + timedelta(days=21),
    ).to_bytes()


STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["received", "approved", "declined"]), st.sampled_from([0, 1, 20, 30, 31, 50])),
        st.just(("withdraw", 0)),
        st.just(("consent", 0)),
        st.just(("again", 0)),
    ),
    max_size=7,
)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(STEPS)
async def test_whatever_happens_events_state_and_answers_agree(office: Office, steps: list[tuple[str, int]]) -> None:
    sent = datetime(2023, 3, 1, 2, tzinfo=UTC)
    office.clock.moment = sent + timedelta(days=60)  # type: ignore[attr-defined] # it stands still
    vendor = await office.member()
    referral = new_id()
    await sent_already(office, [(referral, vendor)], sent)
    records: list[ConsumerRecord] = []
    model: list[Answer] = []
    withdrawn = False
    for what, days in steps:
        if what in ("withdraw", "consent"):
            if standing(model) in ("sent", "received"):
                withdrawn = True
            if what == "withdraw":
                await office.post(f"/v1/capital-referrals/{referral}/withdraw", token=office.vendor(vendor))
            else:
                await office.say(ConsentWithdrawn(vendor_id=vendor, purpose="capital-referral"))
        elif what == "again":
            await office.hear_bank(records[-2:])  # redelivered
        else:
            at = sent + timedelta(days=days)
            records.append(office.command(referral, what, at))
            await office.hear_bank(records[-1:])
            one = Answer(what, at, sent, "bank", BANK, withdrawn)  # type: ignore[arg-type] # one of the three
            if not any((old.answer, old.answered_at) == (what, at) for old in model):
                model.append(one)
    shown = await office.show(referral)
    assert shown["state"] == ("withdrawn" if withdrawn else standing(model))
    assert len(shown["answers"]) == len(model)
    states = ["sent", *await office.states(referral)]
    assert states[-1] == shown["state"]
    assert [STATES[state] for state in states] == sorted(STATES[state] for state in states)
    sequences = (await office.sequences())[vendor]
    assert sequences == list(range(1, len(sequences) + 1))


async def test_a_decision_corrected_too_late_and_an_answer_after_withdrawal_are_kept_and_told_to_count_nothing(
    office: Office, clock: StandingClock
) -> None:
    vendor, other = await office.member(), await office.member()
    decided, withdrawn = await office.send(vendor), await office.send(other)
    ok(await office.post(f"/v1/capital-referrals/{withdrawn}/withdraw", token=office.vendor(other)))
    clock.advance(days=60)
    now = clock.now()
    await office.hear_bank(
        [
            office.command(decided, "approved", now - timedelta(days=50)),
            office.command(decided, "declined", now),
            office.command(withdrawn, "approved", now),
        ]
    )
    assert await office.refusals() == ["decision-final", "referral-withdrawn"]
    assert await office.states(decided) == ["sent", "approved"]
    assert await office.states(withdrawn) == ["sent", "withdrawn"]
    weights = [one["weight"] for one in (await office.show(decided))["answers"]]
    assert weights == ["stands", "too-late-to-correct"]
    assert [one["weight"] for one in (await office.show(withdrawn))["answers"]] == ["after-withdrawal"]
    refused = await office.post(f"/v1/capital-referrals/{decided}/withdraw")
    assert ok(refused, 409)["code"] == "referral-decided"


async def test_an_officer_enters_what_a_bank_wrote_and_never_in_its_own_case(
    office: Office, issuer: LocalIssuer
) -> None:
    vendor = await office.member()
    referral = await office.send(vendor)
    path, body = (
        f"/v1/capital-referrals/{referral}/answers",
        {"answer": "declined", "answered_at": "2023-03-01T02:00:00Z"},
    )
    both = issuer.token("both", ["vendor", "officer"], area="31.71", vendor_id=vendor)
    for token in (both, office.vendor(vendor), office.officer("31.72"), office.operator()):
        assert (await office.post(path, body, token=token)).status_code == 403
    taken = ok(await office.post(path, body))
    assert (taken["state"], taken["weight"], taken["late"]) == ("declined", "stands", False)
    assert ok(await office.post(path, body))["state"] == "declined"
    assert await office.states(referral) == ["sent", "declined"]


async def test_consent_withdrawn_while_the_bank_answers_leaves_one_of_the_two(office: Office) -> None:
    vendors = [await office.member() for _ in range(12)]
    referrals = [await office.send(vendor) for vendor in vendors]
    await office.crowd()
    now = office.clock.now()
    body = {"answer": "approved", "answered_at": now.isoformat()}
    withdrawals = [
        office.record(ConsentWithdrawn(vendor_id=vendor, purpose="capital-referral"), 3, 5) for vendor in vendors
    ]
    answers, _, _ = await asyncio.gather(
        asyncio.gather(*(office.post(f"/v1/capital-referrals/{referral}/answers", body) for referral in referrals)),
        office.consumer().handle(withdrawals),
        office.hear_bank([office.command(referral, "approved", now) for referral in referrals[6:]]),
    )
    assert {answer.status_code for answer in answers} == {200}
    for vendor, referral in zip(vendors, referrals, strict=True):
        states = await office.states(referral)
        assert states in (["sent", "approved"], ["sent", "withdrawn"])
        assert (await office.show(referral))["state"] == states[-1]
        sequences = (await office.sequences())[vendor]
        assert sequences == list(range(1, len(sequences) + 1))
    refused = await office.post(f"/v1/trainees/{vendors[0]}/capital-referrals", {"bank": BANK})
    assert refused.json()["code"] == "consent-missing"


async def test_consent_withdrawn_while_it_is_sent_is_never_sent_and_left_standing(office: Office) -> None:
    for _ in range(8):
        vendor = await office.member()
        made = await office.prepare(vendor)
        await office.crowd()
        path, body = f"/v1/capital-referrals/{made['referral_id']}/send", {"packet_sha256": made["packet_sha256"]}
        answer, _none = await asyncio.gather(
            office.post(path, body, token=office.vendor(vendor)),
            office.say(ConsentWithdrawn(vendor_id=vendor, purpose="capital-referral")),
        )
        states = await office.states(UUID(made["referral_id"]))
        assert states == (["sent", "withdrawn"] if answer.status_code == 200 else [])


async def test_of_many_who_send_at_once_one_sends(office: Office) -> None:
    vendor = await office.member()
    made = await office.prepare(vendor)
    await office.crowd()
    path, body = f"/v1/capital-referrals/{made['referral_id']}/send", {"packet_sha256": made["packet_sha256"]}
    answers = await asyncio.gather(*(office.post(path, body, token=office.vendor(vendor)) for _ in range(10)))
    assert sorted(one.status_code for one in answers) == [200] + [409] * 9
    assert len(await office.published("CapitalPacketSent")) == 1


async def test_the_last_word_of_a_person_on_consent_counts_whichever_of_its_ids_it_was_given_under(
    office: Office, clock: StandingClock
) -> None:
    one = await office.member(consent=False)
    clock.advance(minutes=1)
    other = await office.member()
    referral = await office.send(other)
    await office.say(VendorMerged(vendor_id=other, into=one, merge_id=new_id()))
    assert await office.states(referral) == ["sent"]
    twice = await office.post(f"/v1/trainees/{one}/capital-referrals", {"bank": BANK})
    assert ok(twice, 409)["code"] == "referral-stands"
    clock.advance(minutes=1)
    await office.say(ConsentGiven(vendor_id=one, purpose="capital-referral"))
    clock.advance(minutes=1)
    await office.say(ConsentWithdrawn(vendor_id=one, purpose="capital-referral"))
    assert await office.states(referral) == ["sent", "withdrawn"]
    await office.say(VendorUnmerged(vendor_id=other, out_of=one, merge_id=new_id()))
    assert await office.states(await office.send(other)) == ["sent"], "its own consent was never withdrawn"


async def test_a_referral_that_rests_on_the_consent_of_a_merged_id_falls_with_the_merge(office: Office) -> None:
    one, other = await office.member(consent=False), await office.member()
    await office.say(VendorMerged(vendor_id=other, into=one, merge_id=new_id()))
    referral = await office.send(one)
    await office.say(VendorUnmerged(vendor_id=other, out_of=one, merge_id=new_id()))
    assert await office.states(referral) == ["sent", "withdrawn"]
    assert (await office.show(referral))["withdrawn_because"] == "consent"


async def test_of_two_registrations_that_turn_out_to_be_one_person_a_bank_is_asked_about_one(office: Office) -> None:
    one, other = await office.member(), await office.member()
    made = [await office.prepare(vendor) for vendor in (one, other)]
    await office.say(VendorMerged(vendor_id=other, into=one, merge_id=new_id()))
    await office.crowd()

    async def send(prepared: dict[str, Any]) -> int:
        body = {"packet_sha256": prepared["packet_sha256"]}
        path = f"/v1/capital-referrals/{prepared['referral_id']}/send"
        return (await office.post(path, body, token=office.vendor(one))).status_code

    assert sorted(await asyncio.gather(*(send(prepared) for prepared in made))) == [200, 409]
    assert len(await office.published("CapitalPacketSent")) == 1


async def test_nothing_is_left_of_the_referrals_of_an_erased_person(office: Office) -> None:
    vendor = await office.member()
    referral = await office.send(vendor)
    await office.say(DocumentVerified(vendor_id=vendor, document_id=new_id(), kind="nib"))
    await office.say(VendorErased(vendor_id=vendor, erasure_id=new_id()))
    await office.say(
        ConsentGiven(vendor_id=vendor, purpose="capital-referral"),
        DocumentLapsed(vendor_id=vendor, document_id=new_id(), kind="nib", expired_on=date(2023, 2, 1)),
    )
    await office.hear_bank([office.command(referral, "approved", office.clock.now())])
    assert await office.refusals() == ["referral-unknown"]
    async with office.database.read() as conn:
        for table in ("capital_referral", "capital_answer", "capital_consent", "vendor_document"):
            assert await conn.fetchval(f"SELECT count(*) FROM {table}") == 0  # noqa: S608 - a name from this list
    (receipt,) = await office.published("TrainingDataErased")
    assert receipt.body["erased"]["capital_referrals"] == 1


async def test_only_those_concerned_see_a_referral(office: Office) -> None:
    vendor, stranger = await office.member(), await office.member()
    referral = await office.send(vendor)
    for token in (office.vendor(stranger), office.officer("31.72"), office.operator()):
        assert (await office.get(f"/v1/capital-referrals/{referral}", token=token)).status_code == 403
        assert (await office.get(f"/v1/trainees/{vendor}/capital-referrals", token=token)).status_code == 403
        assert (await office.post(f"/v1/capital-referrals/{referral}/withdraw", token=token)).status_code == 403
    assert (await office.get("/v1/capital-referrals", token=office.vendor(vendor))).status_code == 403
    listed = ok(await office.get(f"/v1/capital-referrals?state=sent&bank={BANK}"))["items"]
    assert [one["referral_id"] for one in listed] == [str(referral)]
    assert ok(await office.get("/v1/capital-referrals?area=31.71.01"))["items"] == []


# ---- whose referral it is


@pytest.fixture
async def registry(
    make_database: MakeDatabase, serve: Serve, issuer: LocalIssuer, clock: StandingClock, sealer: Sealer
) -> Registry:
    fresh = await make_database("vendor")
    return Registry(fresh.dsn, fresh.database, serve(create_registry, fresh), issuer, clock, sealer)


async def test_a_bank_learns_whose_referral_it_has_while_it_stands_and_the_person_consents(registry: Registry) -> None:
    vendor, referral = await registry.register(1), new_id()
    path = f"/v1/capital-referrals/{referral}/reveal"
    bank, other = registry.issuer.token(BANK, ["bank"]), registry.issuer.token("bank-lain", ["bank"])
    own = registry.vendor(vendor)
    version = 0

    async def move(state: str) -> None:
        nonlocal version
        version += 1
        event = CapitalReferralMoved.model_validate(
            {"vendor_id": vendor, "referral_id": referral, "bank": BANK, "state": state}
        )
        headers = write_headers(
            Envelope(
                new_id(), type(event).__name__, "lapak/training", registry.clock.now(), event.subject, version, None
            )
        )
        key, body = event.subject.encode(), event.to_bytes()
        record = ConsumerRecord(event.topic, 0, version, 0, 0, key, body, None, len(key), len(body), headers)
        subscription = of_registry(registry.sealer)[1]
        await Consumer(
            "vendor", subscription, registry.database, registry.clock, registry.sealer, asyncio.Event()
        ).handle([record])

    async def consent(given: bool) -> None:
        body = {"purpose": "capital-referral", "given": given, **({"text_version": 1} if given else {})}
        ok(await registry.post(f"/v1/vendors/{vendor}/consents", body, token=own))

    assert ok(await registry.post(path, token=bank), 404)["code"] == "referral-not-standing"
    await move("sent")
    assert (await registry.post(path, token=bank)).status_code == 404, "without consent nobody is named"
    await consent(True)
    shown = await registry.post(path, token=bank)
    assert ok(shown)["name"] == "Orang Contoh 1"
    assert set(shown.json()) == {"referral_id", "vendor_id", "name", "phone", "email"}
    assert shown.headers["cache-control"] == "no-store"
    assert ok(await registry.post(path, token=other), 404)["code"] == "referral-not-standing"
    for token in (registry.officer("31"), own, registry.of("service")):
        assert (await registry.post(path, token=token)).status_code == 403
    for state, good in (("received", True), ("approved", True), ("declined", False), ("withdrawn", False)):
        await move(state)
        assert (await registry.post(path, token=bank)).status_code == (200 if good else 404), state
    assert await registry.value("SELECT count(*) FROM audit_log WHERE act = 'referral-revealed'") == 3
    await move("approved")
    await consent(False)
    assert (await registry.post(path, token=bank)).status_code == 404
