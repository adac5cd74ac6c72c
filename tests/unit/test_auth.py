"""Who is calling: tokens that are believed and tokens that are not, keys that change, and what a caller may do."""

import asyncio
import base64
import json
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from shared.auth import (
    Caller,
    LocalIssuer,
    NotOwnData,
    OutsideArea,
    RoleMissing,
    TokenExpired,
    TokenInvalid,
    TokenMissing,
    Verifier,
    covers,
)
from tests.unit.tokens import KEY, as_jwk, publish, signed, verifier_of

VENDOR = UUID("0186a3c1-52e0-7c3e-9a41-3f2b8c5d6e70")
OTHER = UUID("0186f6b8-0c44-7a9b-b3d2-71e05c8f4a16")


@pytest.fixture
def local(tmp_path: Path) -> LocalIssuer:
    return LocalIssuer(tmp_path / "issuer")


@pytest.fixture
def verifier(local: LocalIssuer) -> Verifier:
    return verifier_of(local.jwks)


# ---- what a caller may do


def test_an_area_covers_itself_and_what_lies_in_it_on_dotted_borders() -> None:
    assert covers("31.71", "31.71.02.1002")
    assert covers("31.71.02.1002", "31.71.02.1002")
    assert covers("31", "31.71")
    assert not covers("31.7", "31.71.02.1002")
    assert not covers("31.71.02", "31.71")
    assert not covers("31.71", "31.72.01.1002")
    assert not covers("", "31.71")


def test_a_role_is_required_by_any_of_its_names() -> None:
    caller = Caller("o", frozenset({"officer"}), "31.71")
    caller.require("operator", "officer")
    with pytest.raises(RoleMissing) as caught:
        caller.require("operator", "service")
    assert (caught.value.status, caught.value.code) == (403, "role-missing")
    assert caught.value.details == {"roles": ["operator", "service"]}


@pytest.mark.parametrize(
    ("roles", "area", "passes"),
    [
        ({"officer"}, "31", True),
        ({"officer"}, "31.71", True),
        ({"officer"}, "31.72", False),
        ({"officer"}, None, False),
        ({"service"}, None, True),
        ({"service"}, "31.72", False),
        ({"operator"}, None, False),
        ({"vendor"}, None, False),
    ],
)
def test_a_caller_acts_in_its_area_only(roles: set[str], area: str | None, passes: bool) -> None:
    caller = Caller("c", frozenset(roles), area)
    if passes:
        caller.require_area("31.71.02.1002")
    else:
        with pytest.raises(OutsideArea) as caught:
            caller.require_area("31.71.02.1002")
        assert (caught.value.status, caught.value.code) == (403, "outside-area")


def test_a_vendor_sees_its_own_data_only_and_an_officer_everybodys() -> None:
    Caller("v", frozenset({"vendor"}), vendor_id=VENDOR).require_vendor(VENDOR)
    Caller("o", frozenset({"officer"}), "31").require_vendor(VENDOR)
    for caller in (
        Caller("v", frozenset({"vendor"}), vendor_id=OTHER),
        Caller("v", frozenset({"vendor"})),
        Caller("v", frozenset(), vendor_id=VENDOR),
        Caller("s", frozenset({"service"})),
    ):
        with pytest.raises(NotOwnData) as caught:
            caller.require_vendor(VENDOR)
        assert (caught.value.status, caught.value.code) == (403, "not-own-data")


# ---- tokens


async def test_a_good_token_is_its_caller(local: LocalIssuer, verifier: Verifier) -> None:
    token = local.token("siti", ["vendor", "officer"], area="31.71", vendor_id=VENDOR)
    caller = await verifier.caller(f"Bearer {token}")
    assert caller == Caller("siti", frozenset({"vendor", "officer"}), "31.71", VENDOR)
    assert await verifier.caller(f"bearer   {token}") == caller


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "token"])
async def test_no_bearer_token_is_a_missing_token(verifier: Verifier, header: str | None) -> None:
    with pytest.raises(TokenMissing) as caught:
        await verifier.caller(header)
    assert (caught.value.status, caught.value.code) == (401, "token-missing")


async def test_a_token_is_good_until_it_expires_by_the_systems_clock(local: LocalIssuer, verifier: Verifier) -> None:
    almost = local.token("o", [], hours=-5 / 3600)
    await verifier.caller(f"Bearer {almost}")
    with pytest.raises(TokenExpired) as caught:
        await verifier.caller(f"Bearer {local.token('o', [], hours=-1)}")
    assert (caught.value.status, caught.value.code) == (401, "token-expired")


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "somebody-else"},
        {"aud": "another-service"},
        {"exp": ...},
        {"iss": ...},
        {"aud": ...},
        {"sub": ...},
        {"sub": 7},
        {"nbf": int(time.time()) + 3600},
        {"roles": "officer"},
        {"roles": [1]},
        {"area": "31.7"},
        {"area": "31.71."},
        {"area": 31},
        {"vendor_id": "v1"},
    ],
    ids=lambda changes: next(iter(changes)),
)
async def test_a_token_with_a_wrong_claim_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    verifier = verifier_of(publish(tmp_path / "jwks.json", as_jwk(KEY, "k")))
    assert (await verifier.caller(signed())).subject == "o"
    with pytest.raises(TokenInvalid) as caught:
        await verifier.caller(signed(**changes))
    assert caught.value.status == 401


async def test_roles_are_none_when_the_claim_is_absent(tmp_path: Path) -> None:
    verifier = verifier_of(publish(tmp_path / "jwks.json", as_jwk(KEY, "k")))
    assert (await verifier.caller(signed(roles=...))).roles == frozenset()


async def test_a_token_that_was_believed_expires_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    verifier = verifier_of(publish(tmp_path / "jwks.json", as_jwk(KEY, "k")))
    monkeypatch.setattr("shared.auth.tokens.LEEWAY_SECONDS", 0)
    token = signed(exp=int(time.time()) + 2)
    assert (await verifier.caller(token)) is (await verifier.caller(token)), "a signature is checked once"
    await asyncio.sleep(2.1)
    with pytest.raises(TokenExpired):
        await verifier.caller(token)


async def test_many_callers_do_not_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.auth.tokens.TOKENS_KNOWN_MAX", 3)
    verifier = verifier_of(publish(tmp_path / "jwks.json", as_jwk(KEY, "k")))
    for number in range(10):
        assert (await verifier.caller(signed(sub=f"caller-{number}"))).subject == f"caller-{number}"
    assert len(verifier._known) <= 3


def part(content: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


async def test_a_forged_token_is_refused(tmp_path: Path) -> None:
    secret = b"guessable-secret-of-thirty-two-bytes!!"
    oct_key = {"kty": "oct", "kid": "oct", "k": base64.urlsafe_b64encode(secret).decode().rstrip("=")}
    verifier = verifier_of(publish(tmp_path / "jwks.json", as_jwk(KEY, "k"), oct_key))
    public = base64.urlsafe_b64decode(as_jwk(KEY, "k")["x"] + "=")
    good = signed().removeprefix("Bearer ")
    head, body, signature = good.split(".")
    forged = {
        "another key": signed(Ed25519PrivateKey.generate()),
        "a key id nobody published": signed(kid="unknown"),
        "no signature wanted": f"Bearer {part({'alg': 'none', 'kid': 'k'})}.{body}.",
        "the public key as a secret": signed(public, algorithm="HS256"),
        "a symmetric key of the set": signed(secret, kid="oct", algorithm="HS256"),
        "a changed body": f"Bearer {head}.{body[:-4]}AAAA.{signature}",
        "a cut signature": f"Bearer {head}.{body}.",
        "not a token": "Bearer abc",
        "parts of rubbish": "Bearer a.b.c",
        "very long": "Bearer " + "a" * 100_000,
    }
    for how, header in forged.items():
        with pytest.raises(TokenInvalid):
            assert await verifier.caller(header) is None, how


async def test_es256_and_rs256_tokens_are_accepted_and_each_only_with_its_own_key(tmp_path: Path) -> None:
    curve, modulus = ec.generate_private_key(ec.SECP256R1()), rsa.generate_private_key(65537, 2048)
    jwks = publish(
        tmp_path / "jwks.json",
        {**ECAlgorithm.to_jwk(curve.public_key(), as_dict=True), "kid": "ec"},
        {**RSAAlgorithm.to_jwk(modulus.public_key(), as_dict=True), "kid": "rsa"},
        {**RSAAlgorithm.to_jwk(modulus.public_key(), as_dict=True), "kid": "enc", "use": "enc"},
    )
    verifier = verifier_of(jwks)
    assert (await verifier.caller(signed(curve, "ec", "ES256"))).subject == "o"
    assert (await verifier.caller(signed(modulus, "rsa", "RS256"))).subject == "o"
    for header in (
        signed(curve, "rsa", "ES256"),
        signed(modulus, "ec", "RS256"),
        signed(modulus, "rsa", "RS512"),
        signed(modulus, "enc", "RS256"),
    ):
        with pytest.raises(TokenInvalid):
            await verifier.caller(header)


async def test_a_token_without_key_id_is_read_when_there_is_one_key(tmp_path: Path) -> None:
    one = verifier_of(publish(tmp_path / "one.json", as_jwk(KEY, "k")))
    assert (await one.caller(signed(kid=None))).subject == "o"
    two = verifier_of(publish(tmp_path / "two.json", as_jwk(KEY, "k"), as_jwk(Ed25519PrivateKey.generate(), "l")))
    with pytest.raises(TokenInvalid):
        await two.caller(signed(kid=None))


# ---- the local issuer


def test_only_the_owner_reads_the_private_key(tmp_path: Path) -> None:
    LocalIssuer(tmp_path)
    assert stat.S_IMODE((tmp_path / "issuer.pem").stat().st_mode) == 0o600
    assert "d" not in json.loads((tmp_path / "jwks.json").read_text())["keys"][0]
    assert {path.name for path in tmp_path.iterdir()} == {"issuer.pem", "jwks.json"}


async def test_the_same_directory_gives_the_same_issuer(tmp_path: Path) -> None:
    token = LocalIssuer(tmp_path).token("o", ["operator"])
    again = LocalIssuer(tmp_path)
    assert (await verifier_of(again.jwks).caller(f"Bearer {token}")).roles == {"operator"}


async def test_issuers_made_at_once_share_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        issuers = list(pool.map(lambda _: LocalIssuer(tmp_path), range(8)))
    verifier = verifier_of(tmp_path / "jwks.json")
    for issuer in issuers:
        assert (await verifier.caller(f"Bearer {issuer.token('o', [])}")).subject == "o"


def test_a_key_of_another_kind_is_named(tmp_path: Path) -> None:
    LocalIssuer(tmp_path)
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "issuer.pem").write_bytes(pem)
    with pytest.raises(ValueError) as caught:
        LocalIssuer(tmp_path)
    assert "issuer.pem holds a key of another kind" in str(caught.value)
