"""Tickets that a phone checks offline: what is signed is read back; whatever was changed is refused."""

import base64
import io
import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import segno
import zxingcpp
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from typer.testing import CliRunner

from shared.errors import Refused
from shared.tickets import (
    TICKET_CHARACTERS_MAX,
    Ticket,
    TicketForged,
    TicketKeyUnknown,
    TicketMalformed,
    key_id_of,
    read_keys,
    read_ticket,
    show_keys,
    sign_ticket,
)
from shared.tickets_cli import app

PRIVATE = bytes(range(32))
PUBLIC = Ed25519PrivateKey.from_private_bytes(PRIVATE).public_key().public_bytes_raw()
KEYS = {key_id_of(PUBLIC): PUBLIC}
DAY = date(2023, 3, 20)
A_TICKET = Ticket(1, UUID(int=7), UUID(int=9), "sawah-besar", "A07", (DAY, DAY + timedelta(days=1)), 1)
LARGEST = Ticket(255, UUID(int=2**128 - 1), UUID(int=2**128 - 1), "x" * 40, "y" * 10, (DAY,), 65535)

asciis = st.characters(min_codepoint=33, max_codepoint=126)
tickets = st.builds(
    lambda first, offsets, **fields: Ticket(
        days=tuple(first + timedelta(days=offset) for offset in sorted({0, *offsets})), **fields
    ),
    first=st.dates(date(2000, 1, 1), date(2150, 1, 1)),
    offsets=st.sets(st.integers(1, 31)),
    kind=st.integers(0, 255),
    subject=st.uuids(),
    event=st.uuids(),
    place=st.text(asciis, max_size=40),
    spot=st.text(asciis, max_size=10),
    serial=st.integers(0, 65535),
)


@given(tickets)
def test_what_is_signed_is_read_back(ticket: Ticket) -> None:
    text = sign_ticket(ticket, PRIVATE)
    assert read_ticket(text, KEYS) == ticket
    assert len(text) <= TICKET_CHARACTERS_MAX


def test_every_byte_changed_in_every_bit_is_refused() -> None:
    """Also those of the signature, and of lengths and days, which may leave no ticket at all."""
    text = sign_ticket(A_TICKET, PRIVATE)
    body = text.removeprefix("LPK1:")
    content = base64.b32decode(body + "=" * (-len(body) % 8))
    for at in range(len(content)):
        for bit in range(8):
            changed = bytearray(content)
            changed[at] ^= 1 << bit
            forged = "LPK1:" + base64.b32encode(changed).decode().rstrip("=")
            with pytest.raises((TicketForged, TicketKeyUnknown, TicketMalformed)):
                read_ticket(forged, KEYS)


def test_every_character_changed_is_refused() -> None:
    text = sign_ticket(A_TICKET, PRIVATE)
    for at in range(len(text)):
        for character in "AZ2701 a:=é":
            if text[at] != character:
                with pytest.raises(Refused):
                    read_ticket(text[:at] + character + text[at + 1 :], KEYS)


@given(st.integers(1, 300), st.text(max_size=10))
def test_what_is_cut_off_or_added_to_is_refused(cut: int, more: str) -> None:
    text = sign_ticket(A_TICKET, PRIVATE)
    with pytest.raises(Refused):
        read_ticket(text[:-cut], KEYS)
    if more:
        with pytest.raises(Refused):
            read_ticket(text + more, KEYS)
        with pytest.raises(Refused):
            read_ticket(more + text, KEYS)


@given(
    st.one_of(st.text(), st.binary(min_size=109, max_size=160).map(lambda b: "LPK1:" + base64.b32encode(b).decode()))
)
def test_whatever_else_is_no_ticket(text: str) -> None:
    with pytest.raises(Refused):
        read_ticket(text, KEYS)


def test_the_bits_of_no_byte_are_zero_so_that_a_ticket_has_one_text() -> None:
    ticket = Ticket(1, UUID(int=7), UUID(int=9), "ab", "A07", (DAY,), 1)
    text = sign_ticket(ticket, PRIVATE)
    others = [text[:-1] + last for last in "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567" if last != text[-1]]
    assert (len(text) - 5) % 8, "the last character holds bits of no byte"
    for other in others:
        with pytest.raises(Refused):
            read_ticket(other, KEYS)


def test_another_key_is_refused_even_under_the_id_of_ours() -> None:
    text = sign_ticket(A_TICKET, bytes(32))
    with pytest.raises(TicketKeyUnknown):
        read_ticket(text, KEYS)
    body = base64.b32decode((text[5:]) + "=" * (-len(text[5:]) % 8))
    renamed = body[:1] + bytes.fromhex(key_id_of(PUBLIC)) + body[5:]
    with pytest.raises(TicketForged):
        read_ticket("LPK1:" + base64.b32encode(renamed).decode().rstrip("="), KEYS)


@pytest.mark.parametrize(
    "wrong",
    [
        {"place": "x" * 41},
        {"spot": "y" * 11},
        {"place": "gedung é"},
        {"days": ()},
        {"days": (DAY, DAY)},
        {"days": (DAY + timedelta(days=1), DAY)},
        {"days": (DAY, DAY + timedelta(days=32))},
    ],
)
def test_what_no_ticket_can_say_is_not_signed(wrong: dict[str, Any]) -> None:
    fields = {name: getattr(A_TICKET, name) for name in A_TICKET.__slots__}
    with pytest.raises(ValueError):
        sign_ticket(Ticket(**{**fields, **wrong}), PRIVATE)


@pytest.mark.parametrize(("ticket", "version_max"), [(A_TICKET, 8), (LARGEST, 10)])
def test_a_qr_code_holds_it_and_is_read_back_by_another_library(ticket: Ticket, version_max: int) -> None:
    text = sign_ticket(ticket, PRIVATE)
    code = segno.make_qr(text, error="m", boost_error=False)
    assert int(code.version) <= version_max
    assert code.mode == "alphanumeric"
    image = io.BytesIO()
    code.save(image, kind="png", scale=4)
    (found,) = zxingcpp.read_barcodes(Image.open(image))
    assert found.text == text


def test_the_published_keys_are_read_back_and_foreign_ones_passed_over() -> None:
    document = json.loads(json.dumps(show_keys(KEYS)))
    assert read_keys(document) == KEYS
    (key,) = document["keys"]
    others = [{"kty": "RSA", "n": "AQAB"}, {**key, "kid": "00000000"}, {**key, "x": "AAAA"}, "key", None]
    assert read_keys({"keys": [*others, key]}) == KEYS
    documents: list[Any] = [{}, [], None, {"keys": "none"}]
    for wrong in documents:
        with pytest.raises(ValueError):
            read_keys(wrong)


def test_the_command_checks_a_ticket_without_a_network(tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps(show_keys(KEYS)))
    text = sign_ticket(A_TICKET, PRIVATE)
    good = CliRunner().invoke(app, ["verify", "--keys", str(keys), text])
    assert good.exit_code == 0, good.output
    assert json.loads(good.stdout)["spot"] == "A07"
    assert json.loads(good.stdout)["days"] == ["2023-03-20", "2023-03-21"]
    forged = CliRunner().invoke(app, ["verify", "--keys", str(keys), text[:-2] + ("AA" if text[-2:] != "AA" else "BA")])
    assert forged.exit_code == 1
    for wrong in ("{}", "keys"):
        keys.write_text(wrong)
        refused = CliRunner().invoke(app, ["verify", "--keys", str(keys), text])
        assert refused.exit_code == 2
        assert f"{keys} holds no published keys, as GET /v1/tickets/keys gives them: " in refused.stderr
    missing = CliRunner().invoke(app, ["verify", "--keys", str(tmp_path / "none.json"), text])
    assert (missing.exit_code, missing.stderr) == (
        2,
        f"{tmp_path / 'none.json'}: cannot be read: No such file or directory\n",
    )
