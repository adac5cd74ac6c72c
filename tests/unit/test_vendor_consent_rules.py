"""Rules of consent: given to a text, withdrawn without one, each word once."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from services.vendor.domain.consents import (
    Consent,
    ConsentText,
    ConsentTextUnknown,
    EvidenceMissing,
    decide,
    standing,
)
from shared.events.rights import ConsentGiven, ConsentWithdrawn

VENDOR = UUID(int=1)
TEXT = ConsentText("publicity", 2, "Saya setuju", "I agree")
WISH = Consent(UUID(int=2), VENDOR, "publicity", True, 2, "self", "vendor-1", None, datetime(2023, 3, 1, tzinfo=UTC))
GIVEN = [ConsentGiven(vendor_id=VENDOR, purpose="publicity")]


def test_consent_is_given_once_to_the_text_that_is_asked() -> None:
    assert decide(WISH, None, TEXT) == GIVEN
    assert decide(WISH, WISH, TEXT) is None
    for version in (1, 3):
        with pytest.raises(ConsentTextUnknown) as refused:
            decide(replace(WISH, text_version=version), None, TEXT)
        assert refused.value.details["current_version"] == 2


def test_a_newer_text_is_agreed_to_anew() -> None:
    assert decide(WISH, replace(WISH, text_version=1), TEXT) == GIVEN


def test_withdrawing_asks_for_no_text_and_nothing_is_withdrawn_twice() -> None:
    withdrawal = replace(WISH, given=False, text_version=1)
    assert decide(withdrawal, WISH, TEXT) == [ConsentWithdrawn(vendor_id=VENDOR, purpose="publicity")]
    assert decide(withdrawal, withdrawal, TEXT) is None
    assert decide(withdrawal, None, TEXT) is None
    assert decide(WISH, withdrawal, TEXT) == GIVEN


def test_an_officer_says_what_it_rests_on() -> None:
    by_officer = replace(WISH, source="officer")
    with pytest.raises(EvidenceMissing):
        decide(by_officer, None, TEXT)
    with pytest.raises(EvidenceMissing):
        decide(replace(by_officer, given=False), WISH, TEXT)
    assert decide(replace(by_officer, evidence="Formulir 12"), None, TEXT) == GIVEN


def test_the_last_word_on_a_purpose_holds() -> None:
    withdrawn = replace(WISH, given=False)
    other = replace(WISH, purpose="partners")
    assert standing([WISH, other, withdrawn]) == {"publicity": withdrawn, "partners": other}
