"""Is a certificate's credential genuine and does it count? Decided from files alone, without the service (see
`credentials` for what is signed)."""

import base64
import binascii
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from hmac import compare_digest
from typing import Any, NoReturn

import base58
import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from services.training.domain.certificates import Holder, tidy_name
from services.training.domain.credentials import (
    CREDENTIALS,
    CRYPTOSUITE,
    ED25519_PUBLIC,
    STATUS_ENTRIES,
    hash_data,
    identity_hash,
)
from shared.clock import day_in_jakarta

DOCUMENT_BYTES_MAX = 1_000_000
BITS_BYTES_MAX = 4_000_000
SIGNATURE_BYTES = 64
PUBLIC_BYTES = 32


class NotValid(Exception):
    """The credential is forged, altered, revoked or not of this issuer; the text says which."""


class Unusable(Exception):
    """Nothing can be said: a file is no such document, is too old, or belongs to another list. The text says which."""


@dataclass(frozen=True, slots=True)
class Issuer:
    """Whose keys are trusted: its DID, and key name -> public half."""

    did: str
    methods: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a valid credential says, its days in Jakarta. `as_of`: when the status list was true."""

    number: str
    course: str
    issuer: str
    completed_on: date
    issued_on: date
    as_of: datetime


def read_document(data: bytes, what: str) -> dict[str, Any]:
    """A JSON object in which no member stands twice: readers differ in which of two they see. Raises `Unusable`."""
    if len(data) > DOCUMENT_BYTES_MAX:
        raise Unusable(f"{what}: has {len(data)} bytes; {DOCUMENT_BYTES_MAX} is the most")

    def once(members: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(members)
        if len(found) != len(members):
            raise ValueError("a member stands twice")
        return found

    try:
        document = json.loads(data.decode("utf-8"), object_pairs_hook=once, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise Unusable(f"{what}: is no JSON document ({error})") from None
    if not isinstance(document, dict):
        raise Unusable(f"{what}: must be a JSON object")
    return document


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")


def read_issuer(document: Mapping[str, Any]) -> Issuer:
    """The keys of an issuer, from its DID document. Raises `Unusable`."""
    did, methods = document.get("id"), document.get("verificationMethod")
    trusted = document.get("assertionMethod")
    if not isinstance(did, str) or not isinstance(methods, list) or not isinstance(trusted, list):
        raise Unusable("keys: this is no DID document; fetch it from /.well-known/did.json")
    found = {}
    for method in methods:
        if isinstance(method, dict) and method.get("type") == "Multikey" and method.get("id") in trusted:
            key = _multibase(method.get("publicKeyMultibase"))
            if key is not None and key.startswith(ED25519_PUBLIC) and len(key) == len(ED25519_PUBLIC) + PUBLIC_BYTES:
                found[str(method["id"])] = key[len(ED25519_PUBLIC) :]
    if not found:
        raise Unusable("keys: the DID document holds no Ed25519 key")
    return Issuer(did, found)


def check(
    credential: Mapping[str, Any],
    issuer: Issuer,
    revocations: Mapping[str, Any],
    *,
    now: datetime,
    name: str | None = None,
) -> Verdict:
    """What a credential says, if this issuer signed exactly this and it counts; `name`: also that it is this person's.

    Raises `NotValid`, or `Unusable` where the status list cannot tell.
    """
    _require_genuine(credential, issuer, "the credential")
    _require_types(credential, "OpenBadgeCredential")
    issued = _moment(credential, "validFrom")
    if issued > now:
        raise NotValid(f"validFrom: it counts from {issued.isoformat()} on, that is later than {now.isoformat()}")
    if "validUntil" in credential and _moment(credential, "validUntil") < now:
        raise NotValid("validUntil: its time is over")
    as_of = _require_not_revoked(credential, issuer, revocations, now=now)
    subject = _object(credential, "credentialSubject")
    if name is not None:
        _require_holder(subject, name)
    achievement = _object(subject, "achievement")
    return Verdict(
        number=str(subject.get("licenseNumber")),
        course=str(achievement.get("name")),
        issuer=str(_object(credential, "issuer").get("name")),
        completed_on=day_in_jakarta(_moment(credential, "awardedDate")),
        issued_on=day_in_jakarta(issued),
        as_of=as_of,
    )


def _require_genuine(document: Mapping[str, Any], issuer: Issuer, what: str) -> None:
    said = document.get("issuer")
    if (said.get("id") if isinstance(said, dict) else said) != issuer.did:
        raise NotValid(f"issuer: {what} is not of {issuer.did}, whose keys were given")
    proof = document.get("proof")
    if not isinstance(proof, dict):
        raise NotValid(f"proof: {what} carries none, or several")
    for field, wanted in (
        ("type", "DataIntegrityProof"),
        ("cryptosuite", CRYPTOSUITE),
        ("proofPurpose", "assertionMethod"),
    ):
        if proof.get(field) != wanted:
            raise NotValid(f"proof.{field}: must be {wanted}")
    context = document.get("@context")
    if not isinstance(context, list) or context[:1] != [CREDENTIALS] or proof.get("@context", context) != context:
        raise NotValid("@context: is not that of a credential, or not the one that was signed")
    public = issuer.methods.get(str(proof.get("verificationMethod")))
    if public is None:
        raise NotValid(f"proof.verificationMethod: {what} was signed with a key that is not among those given")
    signature = _multibase(proof.get("proofValue"))
    if signature is None or len(signature) != SIGNATURE_BYTES:
        raise NotValid("proof.proofValue: is no signature; it was cut off or mistyped")
    unsecured = {field: value for field, value in document.items() if field != "proof"}
    options = {field: value for field, value in proof.items() if field != "proofValue"}
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, hash_data(unsecured, options))
    except (InvalidSignature, rfc8785.CanonicalizationError, UnicodeError, RecursionError):
        raise NotValid(f"proof.proofValue: the signature does not fit; {what} was altered or is forged") from None


def _require_types(document: Mapping[str, Any], wanted: str) -> None:
    types = document.get("type")
    if not isinstance(types, list) or not {"VerifiableCredential", wanted} <= {str(one) for one in types}:
        raise NotValid(f"type: is no {wanted}")


def _require_not_revoked(
    credential: Mapping[str, Any], issuer: Issuer, revocations: Mapping[str, Any], *, now: datetime
) -> datetime:
    status = _object(credential, "credentialStatus")
    if status.get("type") != "BitstringStatusListEntry" or status.get("statusPurpose") != "revocation":
        raise NotValid("credentialStatus: names no revocation list")
    if status.get("statusListCredential") != revocations.get("id"):
        raise Unusable(f"status list: this is another list; needed is {status.get('statusListCredential')}")
    try:
        _require_genuine(revocations, issuer, "the status list")
        _require_types(revocations, "BitstringStatusListCredential")
        as_of, until = _moment(revocations, "validFrom"), _moment(revocations, "validUntil")
        listed = _object(revocations, "credentialSubject")
    except NotValid as fault:
        raise Unusable(f"status list: {fault}") from None
    if not as_of <= now <= until:
        raise Unusable(f"status list: counts from {as_of.isoformat()} to {until.isoformat()}; fetch it anew")
    if listed.get("type") != "BitstringStatusList" or listed.get("statusPurpose") != "revocation":
        raise Unusable("status list: is no list of revocations")
    index = status.get("statusListIndex")
    bits = _bits(listed.get("encodedList"))
    if not isinstance(index, str) or not index.isascii() or not index.isdigit() or int(index[:12]) >= len(bits) * 8:
        raise NotValid("credentialStatus.statusListIndex: lies outside the list")
    if bits[int(index) // 8] & 0x80 >> int(index) % 8:
        raise NotValid("revoked: the issuer took it back")
    return as_of


def _bits(encoded: Any) -> bytes:
    if not isinstance(encoded, str) or not encoded.startswith("u"):
        raise Unusable("status list: encodedList is not multibase base64url")
    unpacking = zlib.decompressobj(wbits=31)
    try:
        packed = base64.b64decode(encoded[1:] + "=" * (-len(encoded[1:]) % 4), altchars=b"-_", validate=True)
        bits = unpacking.decompress(packed, BITS_BYTES_MAX)
    except (binascii.Error, ValueError, zlib.error):
        raise Unusable("status list: encodedList cannot be unpacked") from None
    if not unpacking.eof or len(bits) * 8 < STATUS_ENTRIES:
        raise Unusable(f"status list: must have {STATUS_ENTRIES} entries or more")
    return bits


def _require_holder(subject: Mapping[str, Any], name: str) -> None:
    identifiers = subject.get("identifier")
    for one in identifiers if isinstance(identifiers, list) else []:
        if isinstance(one, dict) and one.get("identityType") == "name" and one.get("hashed") is True:
            wanted = identity_hash(Holder(tidy_name(name), str(one.get("salt", ""))))
            if compare_digest(wanted.encode(), str(one.get("identityHash")).encode()):
                return
    raise NotValid("name: the certificate was given to somebody else, or the name is written differently on it")


def _object(document: Mapping[str, Any], field: str) -> dict[str, Any]:
    value = document.get(field)
    if not isinstance(value, dict):
        raise NotValid(f"{field}: must be an object")
    return value


def _moment(document: Mapping[str, Any], field: str) -> datetime:
    try:
        moment = datetime.fromisoformat(str(document.get(field)))
    except ValueError:
        raise NotValid(f"{field}: is no moment") from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _multibase(text: Any) -> bytes | None:
    if not isinstance(text, str) or not text.startswith("z"):
        return None
    try:
        return base58.b58decode(text[1:].encode())
    except ValueError:
        return None
