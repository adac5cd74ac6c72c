"""Certificates as Open Badges 3.0, which are W3C verifiable credentials (VC data model 2.0), and their status lists.

Signed with a Data Integrity proof of cryptosuite eddsa-jcs-2022: Ed25519 over the canonical JSON (RFC 8785) of every
member of the document. To check one takes no JSON-LD processor and no network. The subject is an identifier that tells
no name; whoever is told the name can compare it with a salted hash.
"""

import base64
import gzip
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import quote, urlsplit

import base58
import jwt
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.training.domain.certificates import Certificate, Holder
from shared.clock import JAKARTA
from shared.errors import NotFound
from shared.ids import derived_id

CREDENTIALS = "https://www.w3.org/ns/credentials/v2"
OPEN_BADGES = "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json"
OPEN_BADGES_SCHEMA = "https://purl.imsglobal.org/spec/ob/v3p0/schema/json/ob_v3p0_achievementcredential_schema.json"
CRYPTOSUITE = "eddsa-jcs-2022"
ED25519_PUBLIC = b"\xed\x01"
"""Multicodec of an Ed25519 public key."""

STATUS_ENTRIES = 131_072
"""Entries of a status list: the least the standard allows, so that who asks for one hides among many."""
STATUS_ENTRIES_TAKEN_MAX = STATUS_ENTRIES // 2
"""Entries are given out at random; a list filled further would make that slow, and its free places fewer."""
STATUS_LIST_VALID = timedelta(days=31)
STATUS_LIST_FRESH_MILLISECONDS = 3_600_000


class StatusListUnknown(NotFound):
    """There is no such status list."""

    code = "status-list-unknown"


def did_of(public_url: str) -> str:
    """The issuer's identifier (did:web) that belongs to the service's public address."""
    return f"did:web:{quote(urlsplit(public_url).netloc, safe='')}"


def method_of(public_url: str, key_id: str) -> str:
    """What a proof names its key by."""
    return f"{did_of(public_url)}#{key_id}"


def page_of(public_url: str, certificate: Certificate) -> str:
    """The address of a certificate's public page."""
    return f"{public_url}/certificates/{certificate.certificate_id}"


def status_list_of(public_url: str, number: int) -> str:
    """The address of a status list."""
    return f"{public_url}/v1/credentials/status/{number}"


def describe_issuer(public_url: str, keys: Mapping[str, bytes]) -> dict[str, Any]:
    """The issuer's DID document with every key there ever was: what an older one signed can be checked for ever."""
    did = did_of(public_url)
    methods = [
        {
            "id": f"{did}#{key_id}",
            "type": "Multikey",
            "controller": did,
            "publicKeyMultibase": "z" + base58.b58encode(ED25519_PUBLIC + public).decode(),
        }
        for key_id, public in keys.items()
    ]
    return {
        "@context": ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/multikey/v1"],
        "id": did,
        "verificationMethod": methods,
        "assertionMethod": [method["id"] for method in methods],
    }


def credential_of(certificate: Certificate, holder: Holder, public_url: str) -> dict[str, Any]:
    """A certificate as an Open Badge, not signed yet. The same certificate gives the same one each time."""
    face, page = certificate.face, page_of(public_url, certificate)
    return {
        "@context": [CREDENTIALS, OPEN_BADGES],
        "id": f"urn:uuid:{certificate.certificate_id}",
        "type": ["VerifiableCredential", "OpenBadgeCredential"],
        "name": face.course_name_id,
        "description": f"Sertifikat {face.number} · Certificate of completion: {face.course_name_en}",
        "issuer": {"id": did_of(public_url), "type": ["Profile"], "name": face.issuer, "url": public_url},
        "validFrom": _moment(certificate.issued_at),
        "awardedDate": _day(face.completed_on),
        "credentialSubject": {
            # another one on each certificate: two of them do not tell that their holder is one person
            "id": f"urn:uuid:{derived_id('holder', certificate.certificate_id, holder.salt)}",
            "type": ["AchievementSubject"],
            "identifier": [
                {
                    "type": "IdentityObject",
                    "hashed": True,
                    "identityHash": identity_hash(holder),
                    "identityType": "name",
                    "salt": holder.salt,
                }
            ],
            "licenseNumber": face.number,
            "activityStartDate": _day(face.days[0]),
            "activityEndDate": _day(face.days[-1]),
            "narrative": f"{face.title}: {face.sessions_attended}/{face.sessions_held} pertemuan · sessions attended.",
            "achievement": {
                "id": f"{public_url}/v1/courses/{quote(face.course, safe='')}",
                "type": ["Achievement"],
                "achievementType": "CertificateOfCompletion",
                "name": face.course_name_id,
                "description": face.course_name_en,
                "humanCode": face.course,
                "inLanguage": "id",
                "criteria": {
                    "narrative": "Kehadiran pada pertemuan kelas sesuai aturan kelulusannya. "
                    "Attendance of the sessions of the class as its completion rule asks for."
                },
            },
        },
        "evidence": [
            {
                "id": page,
                "type": ["Evidence"],
                "name": "Halaman publik · Public page",
                "description": f"{face.number}, {certificate.fingerprint}",
            }
        ],
        "credentialStatus": {
            "id": f"{status_list_of(public_url, certificate.status_list)}#{certificate.status_index}",
            "type": "BitstringStatusListEntry",
            "statusPurpose": "revocation",
            "statusListIndex": str(certificate.status_index),
            "statusListCredential": status_list_of(public_url, certificate.status_list),
        },
        "credentialSchema": [{"id": OPEN_BADGES_SCHEMA, "type": "1EdTechJsonSchemaValidator2019"}],
    }


def identity_hash(holder: Holder) -> str:
    """The salted hash of a name, as Open Badges writes it."""
    return "sha256$" + sha256((holder.name + holder.salt).encode()).hexdigest()


def status_list(public_url: str, number: int, revoked: Iterable[int], *, issuer: str, now: datetime) -> dict[str, Any]:
    """Which certificates of a list are revoked, not signed yet (W3C Bitstring Status List 1.0). It says so for the hour
    that has begun, so that everybody who asks within it gets the same bytes unless something was revoked.
    """
    address, hour = status_list_of(public_url, number), hour_of(now)
    return {
        "@context": [CREDENTIALS],
        "id": address,
        "type": ["VerifiableCredential", "BitstringStatusListCredential"],
        "issuer": {"id": did_of(public_url), "name": issuer},
        "validFrom": _moment(hour),
        "validUntil": _moment(hour + STATUS_LIST_VALID),
        "credentialSubject": {
            "id": f"{address}#list",
            "type": "BitstringStatusList",
            "statusPurpose": "revocation",
            "encodedList": encode_bits(revoked),
            "ttl": STATUS_LIST_FRESH_MILLISECONDS,
        },
    }


def hour_of(now: datetime) -> datetime:
    """When the hour began."""
    return now.replace(minute=0, second=0, microsecond=0)


def encode_bits(raised: Iterable[int]) -> str:
    """A list with these entries raised: bits from the left, compressed, multibase base64url."""
    bits = bytearray(STATUS_ENTRIES // 8)
    for index in raised:
        bits[index // 8] |= 0x80 >> index % 8
    return "u" + base64.urlsafe_b64encode(gzip.compress(bytes(bits), mtime=0)).decode().rstrip("=")


def sign(document: Mapping[str, Any], private: bytes, method: str, *, created: datetime) -> dict[str, Any]:
    """The document with a Data Integrity proof of this key (32 bytes), which verifiers know as `method`."""
    options = {
        "type": "DataIntegrityProof",
        "cryptosuite": CRYPTOSUITE,
        "created": _moment(created),
        "verificationMethod": method,
        "proofPurpose": "assertionMethod",
        "@context": document["@context"],
    }
    signature = Ed25519PrivateKey.from_private_bytes(private).sign(hash_data(document, options))
    return {**document, "proof": {**options, "proofValue": "z" + base58.b58encode(signature).decode()}}


def hash_data(unsecured: Mapping[str, Any], options: Mapping[str, Any]) -> bytes:
    """What is signed: the hash of the proof's options, then that of the document (vc-di-eddsa 3.3.4)."""
    return sha256(rfc8785.dumps(dict(options))).digest() + sha256(rfc8785.dumps(dict(unsecured))).digest()


def sign_jwt(document: Mapping[str, Any], private: bytes, method: str) -> str:
    """The same credential in the other proof format of Open Badges 3.0 (8.2.4): a JWT, for verifiers that take only
    that."""
    claims = {
        "iss": document["issuer"]["id"],
        "jti": document["id"],
        "nbf": int(datetime.fromisoformat(document["validFrom"]).timestamp()),
        "sub": document["credentialSubject"]["id"],
    }
    key = Ed25519PrivateKey.from_private_bytes(private)
    return jwt.encode({**document, **claims}, key, algorithm="EdDSA", headers={"kid": method})


def write(document: Mapping[str, Any]) -> bytes:
    """A document as a file, for people too: indented, in its own order. What is signed is the canonical form."""
    return json.dumps(document, ensure_ascii=False, indent=2).encode()


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _day(day: date) -> str:
    return _moment(datetime.combine(day, time(), JAKARTA))
