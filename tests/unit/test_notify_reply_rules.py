"""What is understood of what people write: precision before recall, and a yes is never taken for a no."""

import re
import string
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, get_args
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notify.domain.answers import (
    LISTED_MAX,
    Answer,
    Ask,
    PassOn,
    Question,
    Say,
    Unsure,
    answer_offer,
    schedule,
    why,
)
from services.notify.domain.contents import FreeText, Sms
from services.notify.domain.queue import NoWayBack, WriterNotNamed, WriterUnknown, ways_back, writer_of
from services.notify.domain.replies import CHARS_MAX, Meaning, read_button, understand
from services.notify.domain.standings import ApplicationStanding, ClassStanding
from services.notify.rendering import compose, release_templates, render
from services.notify.segments import count
from shared.events.notify import Intent

FLIPPED = {"accept": "decline", "decline": "accept"}
UNDERSTOOD_MIN = 0.8
"""Of what people meant by one of the words, so much is understood; the rest is read by an officer."""


def _corpus() -> list[tuple[Intent, str]]:
    found: list[tuple[Intent, str]] = []
    intent: Any = None
    for line in (Path(__file__).parent / "notify_replies.txt").read_text("utf-8").splitlines():
        if heading := re.fullmatch(r"\[(\w+)\]", line):
            intent = heading[1]
        elif line and not line.startswith("#"):
            found.append((intent, line))
    return found


CORPUS = _corpus()
SAID = [text for _, text in CORPUS]


def confusion() -> Counter[tuple[Intent, Intent]]:
    """(meant, understood) -> how many of the corpus."""
    return Counter((meant, understand(text).intent) for meant, text in CORPUS)


def test_the_corpus_is_large_and_knows_every_intent() -> None:
    assert len(set(SAID)) == len(SAID) >= 300
    assert {intent for intent, _ in CORPUS} == set(get_args(Intent))


def test_nothing_is_taken_for_something_else_it_is_understood_or_an_officer_reads_it() -> None:
    wrong = [(meant, text, got) for meant, text in CORPUS if (got := understand(text).intent) not in (meant, "other")]
    assert wrong == []


@pytest.mark.parametrize("intent", [one for one in get_args(Intent) if one != "other"])
def test_most_of_what_is_meant_is_understood(intent: Intent) -> None:
    counted = confusion()
    meant = sum(number for (one, _), number in counted.items() if one == intent)
    assert counted[intent, intent] / meant >= UNDERSTOOD_MIN


def slips(text: str) -> Iterator[str]:
    """The text with one slip of the finger: a letter left out, doubled up, replaced, put in, two exchanged."""
    for place in range(len(text) + 1):
        before, after = text[:place], text[place:]
        if after:
            yield before + after[1:]
            yield from (before + letter + after[1:] for letter in string.ascii_lowercase)
        yield from (before + letter + after for letter in string.ascii_lowercase)
        if len(after) > 1:
            yield before + after[1] + after[0] + after[2:]


def test_no_single_slip_turns_a_yes_into_a_no_or_a_no_into_a_yes() -> None:
    answers = {text.casefold() for meant, text in CORPUS if meant in FLIPPED and text.isascii()}
    flips = [
        (text, slipped)
        for text in sorted(answers)
        if (meaning := understand(text).intent) in FLIPPED
        for slipped in set(slips(text))
        if understand(slipped).intent == FLIPPED[meaning]
    ]
    assert flips == []


WORDS = sorted({word for text in SAID for word in text.casefold().split()})


@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=5), st.data())
def test_no_single_slip_flips_what_words_in_any_order_mean(words: list[str], data: st.DataObject) -> None:
    text = " ".join(words)
    meaning = understand(text).intent
    if meaning in FLIPPED:
        slipped = data.draw(st.sampled_from(sorted(set(slips(text)))))
        assert understand(slipped).intent != FLIPPED[meaning]


@given(
    st.sampled_from(SAID),
    st.sampled_from([str.upper, str.lower, str.title]),
    st.sampled_from(["", ".", "!", " ", " 🙏", "\n", "‍"]),
)
def test_case_and_what_stands_around_change_nothing(text: str, case: Any, after: str) -> None:
    if text.isascii():
        assert understand(f"{after.strip()} {case(text)}{after}").intent == understand(text).intent


@given(st.text(max_size=300))
def test_any_text_is_understood_or_not_and_never_a_fault(text: str) -> None:
    assert understand(text).intent in get_args(Intent)


@given(st.text(min_size=CHARS_MAX + 1, max_size=CHARS_MAX * 3))
def test_a_letter_is_no_answer(text: str) -> None:
    assert understand("ya " + text) == Meaning("other")


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("2", Meaning("other", 2)),
        ("nomor 2", Meaning("other", 2)),
        ("pilih 2 pak", Meaning("other", 2)),
        ("2 ya", Meaning("other", 2)),
        ("ya 2", Meaning("accept", 2)),
        ("tidak 1", Meaning("decline", 1)),
        ("no 2", Meaning("other")),
        ("1 2", Meaning("other")),
        ("0", Meaning("other")),
        ("100", Meaning("other")),
        ("jadwal 2", Meaning("schedule")),
    ],
)
def test_a_number_answers_a_list(text: str, meaning: Meaning) -> None:
    assert understand(text) == meaning


def test_a_button_says_what_it_answers() -> None:
    about = UUID(int=7)
    assert read_button(f"YA:{about}") == ("accept", about)
    assert read_button(f"NO:{about}") == ("decline", about)
    assert read_button(f"KENAPA:{about}") == ("why", about)
    assert read_button(f"UNDUH:{about}") == ("other", about)
    assert read_button("YA") == ("other", None)
    assert read_button("YA:somewhere") == ("other", None)


# --- what is done about it

NOW = datetime(2023, 3, 17, 3, 0, tzinfo=UTC)
ME, SITE = UUID(int=1), "Rusun Karang Anyar"


def application(number: int, state: Any = "offered", **changes: Any) -> ApplicationStanding:
    fields: dict[str, Any] = {
        "application_id": UUID(int=number),
        "vendor_id": ME,
        "bazaar_name": f"Bazar {number}",
        "state": state,
        "site_name": SITE,
        "booth": "A07",
        "days": [date(2023, 3, 20), date(2023, 3, 21)],
        "respond_by": NOW + timedelta(hours=number),
        "place": None,
        "explanation": None,
        "queued_at": None,
        "changed_at": NOW - timedelta(hours=number),
    }
    return ApplicationStanding(**{**fields, **changes})


def step(meaning: Meaning, mine: list[ApplicationStanding], **more: Any) -> Any:
    given: dict[str, Any] = {"about": None, "question": None, "pending": {}, "now": NOW, **more}
    return answer_offer(meaning, mine, **given)


YES, NO = Meaning("accept"), Meaning("decline")


def test_an_answer_is_of_the_one_offer_that_is_open() -> None:
    mine = [application(1, "confirmed"), application(2), application(3, "waiting")]
    assert step(YES, mine) == PassOn(UUID(int=2), ME, "accept")
    assert step(NO, mine) == PassOn(UUID(int=2), ME, "decline")


def test_of_several_offers_the_person_is_asked_which_and_the_message_answered_needs_no_question() -> None:
    mine = [application(number) for number in (4, 2, 9, 7, 5, 6)]
    asked = step(YES, mine)
    assert isinstance(asked, Ask)
    said = asked.say()
    assert [one["bazaar_name"] for one in said.params["offers"]] == ["Bazar 2", "Bazar 4", "Bazar 5", "Bazar 6"]
    assert len(said.params["offers"]) == LISTED_MAX
    assert step(YES, mine, about=UUID(int=9)) == PassOn(UUID(int=9), ME, "accept")


@pytest.mark.parametrize("asked", get_args(Answer))
def test_a_number_chooses_from_the_list_that_was_shown(asked: Answer) -> None:
    mine = [application(2), application(4)]
    question = Question(asked, [UUID(int=4), UUID(int=2)])
    other: Intent = "decline" if asked == "accept" else "accept"
    assert step(Meaning("other", 1), mine, question=question) == PassOn(UUID(int=4), ME, asked)
    assert step(Meaning(asked, 2), mine, question=question) == PassOn(UUID(int=2), ME, asked)
    assert step(Meaning(other, 2), mine, question=question) == Unsure()
    assert isinstance(step(Meaning("other", 3), mine, question=question), Ask)
    assert step(Meaning("other", 1), mine[:1], question=question) == Unsure()
    assert step(Meaning("other", 1), mine) == Unsure()


def test_a_second_yes_is_passed_on_only_once_and_another_answer_is() -> None:
    mine = [application(2)]
    again = step(YES, mine, pending={UUID(int=2): "accept"})
    assert isinstance(again, Say)
    assert again.params["state"] == "passed-on"
    assert step(NO, mine, pending={UUID(int=2): "accept"}) == PassOn(UUID(int=2), ME, "decline")


@pytest.mark.parametrize(
    ("state", "meaning", "said"),
    [
        ("confirmed", YES, "confirmed"),
        ("declined", NO, "declined"),
        ("lapsed", YES, "lapsed"),
        ("cancelled", YES, "cancelled"),
        ("released", NO, "released"),
        ("missed", YES, "missed"),
    ],
)
def test_what_is_settled_is_said_and_not_passed_on(state: str, meaning: Meaning, said: str) -> None:
    answered = step(meaning, [application(2, state)])
    assert isinstance(answered, Say)
    assert (answered.template, answered.params["state"]) == ("reply-offer-state", said)


def test_another_answer_to_what_was_answered_is_for_bazaar_to_decide() -> None:
    assert step(YES, [application(2, "declined")]) == PassOn(UUID(int=2), ME, "accept")
    assert step(NO, [application(2, "confirmed")]) == PassOn(UUID(int=2), ME, "decline")


def test_the_deadline_itself_is_in_time() -> None:
    last = application(2, respond_by=NOW)
    late = application(2, respond_by=NOW - timedelta(microseconds=1))
    assert isinstance(step(YES, [last]), PassOn)
    said = step(YES, [late])
    assert isinstance(said, Say)
    assert said.params["state"] == "lapsed"
    assert isinstance(step(YES, [late], about=UUID(int=2)), PassOn), "named, bazaar says so itself"


def test_who_has_no_offer_hears_so_and_an_offer_that_is_not_the_persons_own_is_for_an_officer() -> None:
    assert step(YES, []) == Say("reply-offer-none")
    assert step(YES, [application(2, "waiting")]) == Say("reply-offer-none")
    assert step(YES, [application(2)], about=UUID(int=3)) == Unsure()


def test_why_is_the_last_round_the_person_waited_in_or_the_one_it_asks_about() -> None:
    told = {"id": "Penuh.", "en": "Full."}
    early = application(1, "waiting", place=3, explanation=told, queued_at=NOW - timedelta(days=9))
    last = application(2, "offered", place=5, explanation=told, queued_at=NOW - timedelta(days=2))
    assert why([early, last], None).params["bazaar_name"] == "Bazar 2"
    assert why([early, last], UUID(int=1)).params == {"bazaar_name": "Bazar 1", "place": 3, "explanation": told}
    assert why([application(3)], None) == Say("reply-why-rule")


def test_the_schedule_is_what_comes_the_soonest_first_and_a_few_only() -> None:
    past, today, far = date(2023, 3, 16), date(2023, 3, 17), date(2023, 4, 1)
    mine = [
        application(1, "confirmed", days=[past, far]),
        application(2, "confirmed", days=[past]),
        application(3, "offered", days=[today]),
        application(4, "confirmed", days=[date(2023, 3, 18)]),
    ]
    classes = [
        ClassStanding(ME, UUID(int=10 + n), f"Kelas {n}", [today + timedelta(days=n)], [], "Balai") for n in range(4)
    ]
    said = schedule(mine, classes, NOW)
    assert [one.get("title") or one["bazaar_name"] for one in said.params["coming"]] == [
        "Kelas 0",
        "Bazar 4",
        "Kelas 1",
        "Kelas 2",
    ]
    assert said.params["more"] == 2
    assert schedule([], [], NOW).params == {"coming": [], "more": 0}


# --- officers


def test_an_answer_goes_to_who_wrote_and_of_several_to_the_one_that_is_named() -> None:
    one, other, third = UUID(int=1), UUID(int=2), UUID(int=3)
    assert writer_of([one], None) == one
    assert writer_of([one, other], other) == other
    for writers, named in (([one, other], None), ([one, other], third), ([one], other)):
        with pytest.raises(WriterNotNamed):
            writer_of(writers, named)
    with pytest.raises(WriterUnknown):
        writer_of([], one)


def test_free_words_go_by_whatsapp_while_the_conversation_is_open_and_by_sms_else() -> None:
    both: Any = ["whatsapp", "sms", "email"]
    assert ways_back("whatsapp", both, window_is_open=True, has_phone=True) == ["whatsapp", "sms"]
    assert ways_back("whatsapp", both, window_is_open=False, has_phone=True) == ["sms"]
    assert ways_back("sms", both, window_is_open=True, has_phone=True) == ["sms"]
    refused: Any = ((["whatsapp"], False, True), (["email"], True, True), (both, True, False))
    for there, is_open, phone in refused:
        with pytest.raises(NoWayBack):
            ways_back("whatsapp", there, window_is_open=is_open, has_phone=phone)


# --- the texts


SAMPLES: dict[str, dict[str, Any]] = {
    "reply-stopped": {"channel": "sms"},
    "reply-started": {"channel": "whatsapp"},
    "reply-why": {
        "bazaar_name": "Bazar Jakpreneur",
        "place": 3,
        "explanation": {"id": "Semua lapak terisi.", "en": "All booths went."},
    },
    "reply-why-rule": {},
    "reply-schedule": {
        "coming": [
            {
                "kind": "booth",
                "bazaar_name": "Bazar Jakpreneur",
                "site_name": None,
                "booth": "A07",
                "days": ["2023-03-20"],
            },
            {"kind": "class", "title": "Dasar", "venue": "Balai", "starts_at": [], "days": ["2023-03-20"]},
        ],
        "more": 2,
    },
    "reply-offer-none": {},
    "reply-offer-which": {
        "answer": "accept",
        "offers": [
            {"number": 1, "bazaar_name": "Bazar", "site_name": "Rusun", "booth": "A07", "days": ["2023-03-20"]},
            {"number": 2, "bazaar_name": "Bazar", "site_name": None, "booth": None, "days": ["2023-03-20"]},
        ],
    },
    "reply-offer-state": {"state": "lapsed", "bazaar_name": "Bazar Jakpreneur"},
    "reply-offer-refused": {"answer": "accept", "code": "offer-expired", "state": None, "bazaar_name": None},
    "reply-wait": {},
    "reply-officer": {"reply_id": str(UUID(int=1)), "words": "Boleh, Bu."},
}


def text_message(name: str, language: str) -> str:
    """What goes by SMS, and by WhatsApp as free text."""
    template = release_templates()[name]
    sms, free = (
        compose(template, channel, language=language, params=SAMPLES[name], name="Siti", notification_id=UUID(int=2))
        for channel in get_args(Literal["sms", "whatsapp"])
    )
    assert isinstance(sms, Sms)
    assert free == FreeText(sms.text)
    return sms.text


@pytest.mark.parametrize("language", ["id", "en"])
def test_every_answer_has_words_for_text_messages_and_for_the_inbox(language: str) -> None:
    texts = {name for name in release_templates() if name.startswith("reply-")}
    assert texts == set(SAMPLES)
    for name, params in SAMPLES.items():
        text = text_message(name, language)
        counted = count(text)
        assert (counted.encoding, counted.parts <= 2) == ("gsm-7", True), (name, counted, text)
        assert "  " not in text
        shown = render(release_templates()[name], language, params, name="Siti", notification_id=UUID(int=2))
        assert shown.subject
        assert "Siti" in shown.body
