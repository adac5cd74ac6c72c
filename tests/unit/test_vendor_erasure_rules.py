"""Rules of erasure: what is left, what is waited for, the receipt, and finding a person in what nobody could read."""

import base64
import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from services.vendor.domain import erasure as domain
from services.vendor.domain.erasure import Erasure, Receipt
from shared.kafka import COMPACTION_LAG_MAX, ROLL_AFTER
from tests.unit.test_vendor_correction_rules import VENDOR

NOW = datetime(2023, 3, 1, 2, 0, tzinfo=UTC)
ERASURE = Erasure(
    erasure_id=UUID(int=7),
    leads=UUID(int=7),
    vendor_id=VENDOR.vendor_id,
    origin="self",
    reason="own-wish",
    erased_at=NOW,
    due_at=NOW + domain.DUE_WITHIN,
    card_version=2,
)
DONE = replace(ERASURE, published_at=NOW, repeated_at=NOW, sealed_at=NOW, commands_deleted_at=NOW)
RECEIPTS = [Receipt(service, {"rows": n}, {}, NOW) for n, service in enumerate(reversed(domain.SERVICES))]
TRACES = domain.traces("3171024507900001", "+6281234567890", "Siti@Contoh.id")


def test_the_second_tombstone_closes_the_segment_and_all_is_gone_in_time() -> None:
    assert domain.SECOND_TOMBSTONE_AFTER > ROLL_AFTER
    assert domain.COMPACTED_WITHIN > COMPACTION_LAG_MAX
    assert domain.SECOND_TOMBSTONE_AFTER + domain.COMPACTED_WITHIN < domain.DUE_WITHIN == timedelta(hours=72)


def test_what_is_left_of_a_vendor_is_statistics() -> None:
    left = domain.strip(replace(VENDOR, suspended_because="no-show", category="health"), NOW)
    assert (left.name, left.phone, left.email, left.street, left.born_on) == ("", "", None, "", None)
    assert (left.rw, left.rt, left.suspended_because, left.erased_at) == ("000", "000", None, NOW)
    assert (left.kelurahan, left.category, left.kind) == ("31.71.02.1002", "health", "pemula")
    assert (left.version, left.card_version) == (VENDOR.version, VENDOR.card_version + 1)


def test_an_erasure_waits_for_every_service_and_both_topics() -> None:
    assert domain.missing(DONE, RECEIPTS) == []
    assert domain.missing(DONE, RECEIPTS[1:]) == ["notify"]
    assert domain.missing(replace(DONE, sealed_at=None), RECEIPTS) == ["topic lapak.vendor.contact.v1"]
    assert domain.missing(replace(DONE, commands_deleted_at=None), RECEIPTS) == ["topic lapak.vendor.commands.v1"]
    assert len(domain.missing(ERASURE, [])) == 6


def test_the_receipt_is_the_same_text_whatever_the_order_of_the_answers() -> None:
    done = domain.write_receipt(DONE, RECEIPTS, NOW)
    assert done.receipt is not None
    assert done == domain.write_receipt(DONE, RECEIPTS[::-1], NOW)
    assert done.receipt_sha256 == hashlib.sha256(done.receipt.encode()).hexdigest()
    content = json.loads(done.receipt)
    assert [one["service"] for one in content["services"]] == list(domain.SERVICES)
    assert domain.canonical(content) == done.receipt
    assert done.receipt_sha256 != domain.write_receipt(DONE, RECEIPTS, NOW + timedelta(seconds=1)).receipt_sha256


@pytest.mark.parametrize(
    "text",
    [
        '{"nik": "3171024507900001"}',
        '{"nik": "3171 0245 0790 0001"}',
        '{"phone": "0812-3456-7890"}',
        "+62 (812) 3456.7890",
        "SITI@CONTOH.ID",
    ],
)
def test_a_person_is_found_however_it_was_written(text: str) -> None:
    assert domain.mentions(text.encode(), TRACES)
    assert domain.mentions(text.encode("utf-16-le"), TRACES)
    assert domain.mentions(b"\xff\xfe" + text.encode("utf-16-le"), TRACES)


@pytest.mark.parametrize(
    "text", ["", "{}", '{"nik": "3171024507900002"}', '{"phone": "081234567891"}', "siti@contoh.co", "Siti"]
)
def test_somebody_else_is_not_taken_for_the_person(text: str) -> None:
    assert not domain.mentions(text.encode(), TRACES)


def test_nothing_of_nobody_is_found() -> None:
    assert domain.traces("", "", None) == ()
    assert domain.traces("", "+62812345", None) == ()
    assert not domain.mentions(base64.b64encode(b"x" * 99), ())
