"""Each HTTP provider by itself: the request that it gets, what its codes mean, and what it says when it is asked.

The provider is a server that answers as it is told. What holds for every one of them: `test_notify_adapters.py`.
"""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import TypeAlias
from uuid import UUID

import pytest
import uuid_utils

from services.notify.channels import ChannelDown, Provider
from services.notify.domain.contents import FreeText, Sms, WhatsAppTemplate
from services.notify.domain.delivery import Accepted, Ambiguous, Deferred, Outcome, Rejected
from shared.ids import new_id
from tests.integration.notify_adapters import (
    CUT,
    NOW,
    PAGE,
    PHONE,
    PUBLIC,
    SECRET,
    TWILIO,
    VONAGE,
    WHATSAPP,
    Adapter,
    answer,
    from_vonage,
    letter,
    meets,
    scripted,
    send,
    twilio,
    vonage,
    whatsapp,
)

# --- what each provider gets


async def test_whatsapp_gets_a_template_with_its_parameters_and_our_reference() -> None:
    message = letter(WHATSAPP.content)
    async with scripted(WHATSAPP.accepted) as script:
        await send(whatsapp(script.url), message)
    (asked,) = script.asked
    assert (asked.method, asked.path) == ("POST", "/v23.0/1055/messages")
    assert asked.headers["authorization"] == f"Bearer {SECRET}"
    assert json.loads(asked.body) == {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": "6281234567890",
        "biz_opaque_callback_data": str(message.attempt_id),
        "type": "template",
        "template": {
            "name": "lapak_booth_assigned_0a1b2c3d",
            "language": {"code": "id"},
            "components": [
                {"type": "body", "parameters": [{"type": "text", "text": "Siti"}, {"type": "text", "text": "A07"}]},
                *(
                    {
                        "type": "button",
                        "sub_type": "quick_reply",
                        "index": str(place),
                        "parameters": [{"type": "payload", "payload": payload}],
                    }
                    for place, payload in enumerate(("ya:1", "tidak:1"))
                ),
            ],
        },
    }


async def test_free_words_cost_nothing_and_a_template_without_parameters_has_no_components() -> None:
    async with scripted(WHATSAPP.accepted) as script:
        provider = whatsapp(script.url)
        free = await send(provider, letter(FreeText("Terima kasih, é 👍")))
        await send(provider, letter(WhatsAppTemplate("lapak_welcome_0a1b2c3d", "en", ())))
    assert free == Accepted("whatsapp accepted", "wamid.HBgN=")
    words, plain = (json.loads(asked.body) for asked in script.asked)
    assert words["text"] == {"preview_url": False, "body": "Terima kasih, é 👍"}
    assert plain["template"] == {"name": "lapak_welcome_0a1b2c3d", "language": {"code": "en"}}


@pytest.mark.parametrize(("hours", "validity"), [(24, None), (10, None), (1, "3600"), (-1, "1")])
async def test_twilio_gets_our_reference_in_the_callback_and_no_more_time_than_there_is(
    hours: float, validity: str | None
) -> None:
    message = letter(TWILIO.content, hours=hours)
    async with scripted(TWILIO.accepted) as script:
        await send(twilio(script.url), message)
    (asked,) = script.asked
    assert (asked.method, asked.path) == ("POST", "/2010-04-01/Accounts/AC123/Messages.json")
    expected = {
        "To": PHONE,
        "From": "LAPAK",
        "Body": "Ada lapak untuk Anda di Bazar Jakpreneur. Balas YA atau TIDAK.",
        "StatusCallback": f"{PUBLIC}/v1/providers/sms-a/webhook/{message.attempt_id}#rc=5&rp=all",
    }
    assert asked.form() == expected | ({} if validity is None else {"ValidityPeriod": validity})


@pytest.mark.parametrize(
    ("text", "kind", "reference"), [("Halo", "text", ""), ("Halo 👍", "unicode", ""), ("a" * 161, "text", ".2")]
)
async def test_vonage_gets_the_alphabet_and_our_reference_with_the_number_of_parts(
    text: str, kind: str, reference: str
) -> None:
    message = letter(Sms(text))
    async with scripted(VONAGE.accepted) as script:
        await send(vonage(script.url), message)
    (asked,) = script.asked
    assert (asked.method, asked.path) == ("POST", "/sms/json")
    assert asked.form() == {
        "api_key": "kunci",
        "api_secret": SECRET,
        "from": "LAPAK",
        "to": "6281234567890",
        "text": text,
        "type": kind,
        "client-ref": f"{message.attempt_id}{reference}",
        "ttl": "86400000",
        "status-report-req": "1",
        "callback": f"{PUBLIC}/v1/providers/sms-b/webhook",
    }


# --- what its codes mean


def meta(status: int, code: int, **headers: str) -> bytes:
    """An error of Meta's, with a text that must not be kept."""
    error = {"message": f"({code}) {PHONE}", "type": "OAuthException", "code": code, "fbtrace_id": "x"}
    return answer(status, {"error": error}, **headers)


def from_twilio(status: int, code: int, **headers: str) -> bytes:
    """An error of Twilio's."""
    return answer(status, {"code": code, "message": f"{PHONE} is bad", "status": status}, **headers)


def account(code: str) -> Deferred:
    return Deferred(code, "provider", 900.0, pause=True)


# answers, and what they must mean
Cases: TypeAlias = tuple[tuple[bytes, Outcome], ...]
OF_WHATSAPP: Cases = (
    (meta(400, 130429), Deferred("whatsapp 130429", "provider", 1.0)),
    (meta(429, 130429, Retry_After="7"), Deferred("whatsapp 130429", "provider", 7.0)),
    (meta(429, 80007), Deferred("whatsapp 80007", "provider", 60.0)),
    (meta(400, 4), Deferred("whatsapp 4", "provider", 60.0)),
    (meta(503, 2), Deferred("whatsapp 2", "provider", 5.0)),
    (meta(503, 131016), Deferred("whatsapp 131016", "provider", 5.0)),
    (meta(503, 133004), Deferred("whatsapp 133004", "provider", 5.0)),
    (meta(400, 131056), Deferred("whatsapp 131056", "recipient", 6.0)),
    (meta(400, 131026), Rejected("whatsapp 131026", "unreachable")),
    (meta(400, 131021), Rejected("whatsapp 131021", "address")),
    (meta(400, 131047), Rejected("whatsapp 131047", "window")),
    (meta(400, 131049), Rejected("whatsapp 131049", "not-now")),
    (meta(400, 131050), Rejected("whatsapp 131050", "opted-out")),
    *(
        (meta(400, code), Rejected(f"whatsapp {code}", "defect"))
        for code in (100, 131008, 131009, 131051, 132000, 132001, 132005, 132007, 132012, 132015, 132016, 135000)
    ),
    *(
        (meta(400, code), account(f"whatsapp {code}"))
        for code in (0, 10, 33, 190, 200, 299, 368, 131031, 131037, 131042, 131045, 131048, 133006, 133010)
    ),
    (meta(500, 131000), Ambiguous("whatsapp 131000")),
    (meta(400, 1), Ambiguous("whatsapp 1")),
    (meta(400, 999999), Rejected("whatsapp 999999")),
    (meta(500, 999999), Ambiguous("whatsapp 999999")),
    (
        answer(200, {"error": {"code": 131026, "message": "an error inside a 200"}}),
        Rejected("whatsapp 131026", "unreachable"),
    ),
    (answer(200, {"messages": [{"id": 7}]}), Ambiguous("answer-unreadable")),
    (answer(200, {"messages": []}), Ambiguous("answer-unreadable")),
)
OF_TWILIO: Cases = (
    *((from_twilio(400, code), Rejected(f"twilio {code}", "address")) for code in (21211, 21217, 21408, 21612, 21614)),
    (from_twilio(400, 21610), Rejected("twilio 21610", "opted-out")),
    (from_twilio(400, 21617), Rejected("twilio 21617", "defect")),
    (from_twilio(429, 20429), Deferred("twilio 20429", "provider", 1.0)),
    (from_twilio(429, 20429, Retry_After="3"), Deferred("twilio 20429", "provider", 3.0)),
    (from_twilio(429, 14107), Deferred("twilio 14107", "provider", 1.0)),
    (from_twilio(429, 21611), Deferred("twilio 21611", "provider", 60.0)),
    (from_twilio(429, 63038), Deferred("twilio 63038", "provider", 3600.0)),
    (from_twilio(401, 20003), account("twilio 20003")),
    (from_twilio(404, 20404), account("twilio 20404")),
    (from_twilio(400, 21606), account("twilio 21606")),
    (from_twilio(401, 70051), account("twilio 70051")),
    (from_twilio(400, 99999), Rejected("twilio 99999")),
    (from_twilio(500, 20500), Ambiguous("twilio 20500")),
    (from_twilio(503, 20503), Ambiguous("http 503")),
    (from_twilio(503, 20503, Retry_After="2"), Deferred("http 503", "provider", 2.0)),
    (
        answer(201, {"sid": "SM1", "status": "failed", "error_code": 21610, "num_segments": "1"}),
        Rejected("twilio 21610", "opted-out"),
    ),
    (answer(201, {"status": "queued"}), Ambiguous("answer-unreadable")),
)
OF_VONAGE: Cases = (
    (from_vonage("0", "0", "0"), Accepted("vonage accepted", "0A2", 3, 1_350_000)),
    (from_vonage("1"), Deferred("vonage 1", "provider", 1.0)),
    (from_vonage("1", "1"), Deferred("vonage 1", "provider", 1.0)),
    (from_vonage("0", "1"), Ambiguous("vonage 1 of-a-part")),
    (from_vonage("6", "0"), Ambiguous("vonage 6 of-a-part")),
    *((from_vonage(code), Rejected(f"vonage {code}", "defect")) for code in ("2", "3", "12", "22")),
    *((from_vonage(code), Rejected(f"vonage {code}", "address")) for code in ("6", "33")),
    (from_vonage("7"), Rejected("vonage 7", "opted-out")),
    *((from_vonage(code), account(f"vonage {code}")) for code in ("4", "8", "9", "14", "15", "23")),
    (from_vonage("5"), Ambiguous("vonage 5")),
    (from_vonage("77"), Ambiguous("vonage 77")),
    (from_vonage(f"aneh {PHONE}"), Ambiguous("vonage unknown")),
    (answer(200, {"messages": []}), Ambiguous("answer-unreadable")),
)
REFUSALS = [
    (adapter, *case)
    for adapter, cases in ((WHATSAPP, OF_WHATSAPP), (TWILIO, OF_TWILIO), (VONAGE, OF_VONAGE))
    for case in cases
]


@pytest.mark.parametrize(
    ("adapter", "given", "outcome"),
    REFUSALS,
    ids=[f"{one.name} {case.code} {n}" for n, (one, _, case) in enumerate(REFUSALS)],
)
async def test_each_answer_is_judged_by_the_provider_s_code(adapter: Adapter, given: bytes, outcome: Outcome) -> None:
    found, script = await meets(adapter, given)
    assert found == outcome
    assert len(script.asked) == 1, "nothing is repeated by the adapter itself"
    assert PHONE[1:] not in repr(found), "the provider's text repeats the number; only its code is kept"


# --- asking the provider


def attempt_begun(before_now: timedelta) -> UUID:
    """The id of an attempt that began so long before NOW, by the world's clock."""
    milliseconds = int((NOW - before_now).timestamp() * 1000)
    return UUID(int=(milliseconds << 80) | (uuid_utils.uuid7().int & ((1 << 80) - 1)))


def listed(*dates: str, more: str | None = None) -> bytes:
    return answer(200, {"messages": [{"sid": "SM1", "date_created": one} for one in dates], "next_page_uri": more})


@pytest.mark.parametrize(
    ("given", "minutes", "expected"),
    [
        (listed(), 6, Deferred("twilio not-found")),
        (listed(), 4, None),
        (listed("Thu, 16 Mar 2023 03:00:00 +0000"), 6, Deferred("twilio not-found")),
        (listed("Fri, 17 Mar 2023 02:54:30 +0000"), 6, None),
        (listed("Thu, 16 Mar 2023 03:00:00 +0000", "Fri, 17 Mar 2023 02:54:30 +0000"), 6, None),
        (listed("yesterday"), 6, None),
        (listed(more="/next"), 6, None),
    ],
    ids=["nothing", "too soon", "only older", "one since", "old and new", "unreadable", "a second page"],
)
async def test_twilio_can_say_that_a_message_was_never_taken(
    given: bytes, minutes: float, expected: Outcome | None
) -> None:
    """Whatever the programme's clock says: `began_at` is years off here."""
    async with scripted(given) as script:
        attempt_id = attempt_begun(timedelta(minutes=minutes))
        found = await twilio(script.url).find(attempt_id, PHONE, NOW + timedelta(days=900))
    assert found == expected
    if script.asked:
        assert script.asked[0].path == ("/2010-04-01/Accounts/AC123/Messages.json?To=%2B6281234567890&PageSize=1000")


@pytest.mark.parametrize("given", [CUT, answer(500, PAGE), answer(200, PAGE), answer(401, {"code": 20003})])
async def test_a_provider_that_does_not_answer_a_question_is_down(given: bytes) -> None:
    async with scripted(given) as script:
        with pytest.raises(ChannelDown):
            await twilio(script.url).find(attempt_begun(timedelta(hours=1)), PHONE, NOW)


@pytest.mark.parametrize("make", [whatsapp, vonage])
async def test_providers_that_cannot_be_asked_do_not_know(make: Callable[[str], Provider]) -> None:
    assert await make("http://127.0.0.1:1").find(new_id(), PHONE, NOW) is None
