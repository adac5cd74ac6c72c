"""Rules of capital referrals: which answer of a bank counts, and what a bank is told."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.training.domain import packets, referral_wording, referrals
from services.training.domain.packets import Facts, Figures
from services.training.domain.referrals import Answer, AnswerCode, AnswerMalformed, read_answer
from shared.events.cases import AnswerCapitalReferral
from shared.ids import new_id

SENT = datetime(2023, 3, 1, 2, tzinfo=UTC)
RANK = {"sent": 0, "received": 1, "approved": 2, "declined": 2}


def answer(code: AnswerCode, days: float, *, after_withdrawal: bool = False) -> Answer:
    at = SENT + timedelta(days=days)
    return Answer(code, at, at, "bank", "bank-dki", after_withdrawal)


CODES: list[AnswerCode] = ["received", "approved", "declined"]
ANSWERS = st.builds(
    answer,
    st.sampled_from(CODES),
    st.sampled_from([0, 1, 2, 15, 30, 31, 32, 45, 61, 62]),
    after_withdrawal=st.booleans(),
)


def by_definition(answers: Sequence[Answer]) -> str:
    """The rule as people are told it, without cleverness: walk the decisions from the earliest."""
    counting = [one for one in answers if not one.after_withdrawal]
    decisions = sorted(
        {(one.answered_at, one.answer) for one in counting if one.answer != "received"},
        key=lambda one: (one[0], one[1] == "declined"),
    )
    if not decisions:
        return "received" if counting else "sent"
    state, first = decisions[0][1], decisions[0][0]
    for at, code in decisions[1:]:
        if at - first <= timedelta(days=30):
            state = code
    return state


@given(st.lists(ANSWERS, max_size=7))
@example([answer("approved", 0), answer("declined", 30)])
@example([answer("approved", 1), answer("declined", 1)])
@example([answer("declined", 31), answer("approved", 62), answer("approved", 1)])
def test_the_state_is_the_rules_whatever_the_answers(answers: list[Answer]) -> None:
    assert referrals.standing(answers) == by_definition(answers)


@given(st.lists(ANSWERS, max_size=6), st.data())
def test_order_and_doubles_change_nothing_and_no_decision_becomes_an_arrival(
    answers: list[Answer], data: st.DataObject
) -> None:
    doubled = [*answers, *data.draw(st.lists(st.sampled_from(answers), max_size=4) if answers else st.just([]))]
    shuffled = data.draw(st.permutations(doubled))
    assert referrals.standing(shuffled) == referrals.standing(answers)
    taken: list[Answer] = []
    rank = 0
    for one in shuffled:
        taken.append(one)
        assert RANK[referrals.standing(taken)] >= rank
        rank = RANK[referrals.standing(taken)]


@given(st.lists(ANSWERS, min_size=1, max_size=6))
def test_the_answers_that_count_are_those_that_made_the_state(answers: list[Answer]) -> None:
    state = referrals.standing(answers)
    for one in answers:
        weight = referrals.weigh(one, answers)
        if weight == "stands":
            assert one.answer == state
        assert (weight == "after-withdrawal") == one.after_withdrawal
    if state in ("approved", "declined"):
        assert any(referrals.weigh(one, answers) == "stands" for one in answers)


def test_a_bank_corrects_itself_for_thirty_days_from_its_first_decision() -> None:
    approved, declined = answer("approved", 0), answer("declined", 30)
    assert referrals.standing([declined, approved]) == "declined"
    too_late = answer("declined", 30.001)
    assert referrals.standing([too_late, approved]) == "approved"
    assert referrals.weigh(too_late, [approved, too_late]) == "too-late-to-correct"
    assert referrals.weigh(approved, [approved, declined]) == "superseded"
    assert referrals.weigh(answer("received", 40), [approved, answer("received", 40)]) == "superseded"


def test_an_answer_is_late_from_the_day_after_the_one_it_was_due() -> None:
    due = date(2023, 3, 20)
    last = Answer("approved", datetime(2023, 3, 20, 16, 59, tzinfo=UTC), SENT, "bank", "b", False)
    after = Answer("approved", datetime(2023, 3, 20, 17, 0, tzinfo=UTC), SENT, "bank", "b", False)
    assert [referrals.is_late(one, due) for one in (last, after)] == [False, True]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("referral_id", "7"),
        ("answer", "maybe"),
        ("answer", "withdrawn"),
        ("answered_at", "yesterday"),
        ("answered_at", "2023-03-21T09:00:00"),
        ("answered_at", "1679280000"),
        ("answered_at", ""),
        ("answered_at", '"2023-03-20T09:00:00Z'),
    ],
)
def test_an_answer_that_cannot_be_read_names_the_field_and_not_its_value(field: str, value: str) -> None:
    fields = {
        "referral_id": str(new_id()),
        "bank": "bank-dki",
        "answer": "approved",
        "answered_at": "2023-03-20T09:00:00+07:00",
    }
    assert read_answer(AnswerCapitalReferral(**fields)).answer == "approved"
    with pytest.raises(AnswerMalformed) as refusal:
        read_answer(AnswerCapitalReferral(**{**fields, field: value}))
    assert refusal.value.details == {"field": field}
    assert len(value) < 5 or value not in refusal.value.message


@pytest.mark.parametrize(("seconds", "good"), [(-301, False), (-300, True), (0, True), (300, True), (301, False)])
def test_a_bank_answers_after_it_was_asked_and_not_in_the_future(seconds: int, good: bool) -> None:
    moment = SENT + timedelta(seconds=seconds)
    if good:
        referrals.require_moment(moment, SENT, SENT)
    else:
        with pytest.raises(referrals.AnswerMomentRefused):
            referrals.require_moment(moment, SENT, SENT)


def months(number: int) -> list[Figures]:
    return [
        Figures(f"{2021 + n // 12}-{n % 12 + 1:02d}", 1_000_000 + n, None if n % 2 else n, 2, n == 3)
        for n in range(number)
    ]


def test_a_packet_holds_facts_on_record_and_nothing_finer_than_the_kecamatan() -> None:
    facts = Facts(
        kelurahan="31.71.02.1002",
        kind="usaha",
        category="food-drink",
        member_since=date(2022, 5, 1),
        documents=["pirt", "nib", "pirt"],
        courses={"dasar-kewirausahaan"},
        figures=months(15),
    )
    referral_id, vendor_id = new_id(), new_id()
    packet = packets.assemble(facts, vendor_id, referral_id, "bank-dki", consented_at=SENT, answer_by=date(2023, 3, 22))
    assert packet.kelurahan_area == "31.71.02"
    assert packet.documents_valid == ["nib", "pirt"]
    assert (len(packet.months), packet.months[0], packet.months[-1]) == (12, "2021-03", "2022-03")
    assert "2021-04" not in packet.months, "a figure that is doubted is not handed on"
    assert len(packet.months) == len(packet.turnover_rupiah)
    assert (packet.assets_rupiah, packet.workers) == (14, 2)
    assert type(packet).from_bytes(packet.to_bytes()).to_bytes() == packet.to_bytes()


def test_every_fact_of_a_packet_is_told_in_both_languages() -> None:
    bare = Facts("31.71.02.1002", None, None, None, [], [], [])
    packet = packets.assemble(bare, new_id(), new_id(), "bank-dki", consented_at=SENT, answer_by=date(2023, 3, 22))
    lines = referral_wording.packet(packet)
    assert [line.id for line in lines] == [
        "Bank: bank-dki",
        "Anda menyetujui penyerahan data pada 1 Maret 2023",
        "Usaha: tidak tercatat",
        "Kategori: tidak tercatat",
        "Kecamatan: Sawah Besar",
        "Anggota sejak: tidak tercatat",
        "Dokumen yang berlaku: tidak ada",
        "Pelatihan yang selesai: tidak ada",
        "Omzet: tidak tercatat",
        "Aset: tidak tercatat",
        "Tenaga kerja: tidak tercatat",
        "Bank diminta menjawab paling lambat 22 Maret 2023",
    ]
    full = packet.model_copy(
        update={"months": ["2023-01"], "turnover_rupiah": [1_250_000], "assets_rupiah": 5, "workers": 2}
    )
    english = [line.en for line in referral_wording.packet(full)]
    assert "Turnover 2023-01: Rp1.250.000" in english
    assert "Workers: 2" in english
    told = set(type(packet).model_fields) - {"vendor_id", "referral_id"}
    assert len(lines) == len(told) - 1, "a field that was added is to be told; months and turnover are one line"
