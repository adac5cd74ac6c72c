"""Certificates: numbers, names, the paper, and credentials that are checked from files alone."""

import base64
import copy
import gzip
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import base58
import jwt
import pypdf
import pytest
import zxingcpp
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pydantic_core import to_json
from typer.testing import CliRunner

from services.training import typesetting
from services.training.cli.certificate import app
from services.training.domain.certificates import (
    Certificate,
    CertificateCountsNoMore,
    Face,
    Holder,
    NameUnprintable,
    mask_name,
    number_of,
    read_reference,
    revoke,
    show_in_public,
    tidy_name,
)
from services.training.domain.credentials import (
    STATUS_ENTRIES,
    credential_of,
    describe_issuer,
    did_of,
    encode_bits,
    method_of,
    page_of,
    sign,
    sign_jwt,
    status_list,
    write,
)
from services.training.domain.printing import say_days, words_of
from services.training.domain.verification import NotValid, Unusable, check, read_document, read_issuer
from services.training.settings import TrainingSettings
from shared.settings import load
from shared.tickets import key_id_of

PUBLIC_URL = "https://pelatihan.lapak.jakarta.go.id"
NOW = datetime(2023, 3, 20, 3, 15, tzinfo=UTC)
PRIVATE, OTHER = bytes(range(32)), bytes(range(1, 33))
HOLDER = Holder("Siti Aminah", "5a1f" * 8)


def public_half(private: bytes) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


KEYS = {key_id_of(public_half(PRIVATE)): public_half(PRIVATE)}
METHOD = method_of(PUBLIC_URL, key_id_of(public_half(PRIVATE)))


def face(**more: Any) -> Face:
    days = (date(2023, 3, 6), date(2023, 3, 7))
    said: dict[str, Any] = {
        "number": "LPK/2023/000123",
        "course": "dasar-kewirausahaan",
        "title": "Kelas Sawah Besar",
        "course_name_id": "Dasar Kewirausahaan",
        "course_name_en": "Basics of Entrepreneurship",
        "level": "basic",
        "days": days,
        "sessions_attended": 2,
        "sessions_held": 2,
        "completed_on": days[-1],
        "issued_on": date(2023, 3, 8),
        "issuer": "Dinas PPKUKM Provinsi DKI Jakarta",
        "provider": None,
    }
    return Face(**{**said, **more})


def certificate(holder: Holder = HOLDER, **more: Any) -> Certificate:
    printed = face(**more)
    return Certificate(
        certificate_id=UUID("0186b7a0-1234-7abc-8def-0123456789ab"),
        vendor_id=UUID(int=7),
        class_id=UUID(int=9),
        issue=1,
        face=printed,
        face_sha256=printed.fingerprint(holder),
        holder_sealed=b"sealed",
        link_id=UUID(int=11),
        status_list=3,
        status_index=94_567,
        issued_at=datetime(2023, 3, 8, 2, 0, 7, 250_000, tzinfo=UTC),
    )


def credential(private: bytes = PRIVATE, method: str = METHOD) -> dict[str, Any]:
    given_to = certificate()
    return sign(credential_of(given_to, HOLDER, PUBLIC_URL), private, method, created=given_to.issued_at)


def revocations(*revoked: int, number: int = 3, now: datetime = NOW, private: bytes = PRIVATE) -> dict[str, Any]:
    return sign(status_list(PUBLIC_URL, number, revoked, issuer="Dinas", now=now), private, METHOD, created=now)


# --- numbers and names


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("LPK/2023/000123", "LPK/2023/000123"),
        (" lpk-2023-000123 ", "LPK/2023/000123"),
        ("LPK/2023/1000000", "LPK/2023/1000000"),
        ("0186b7a0-1234-7abc-8def-0123456789ab", UUID("0186b7a0-1234-7abc-8def-0123456789ab")),
        ("LPK/2023/123", None),
        ("LPK/2023/٠٠٠١٢٣", None),
        ("", None),
        ("x" * 10_000, None),
    ],
)
def test_a_number_is_read_as_people_type_it(typed: str, read: UUID | str | None) -> None:
    assert read_reference(typed) == read


@given(st.integers(2000, 9999), st.integers(1, 999_999_999))
def test_every_number_is_read_back(year: int, serial: int) -> None:
    number = number_of(year, serial)
    assert read_reference(number) == read_reference(number.replace("/", "-")) == number


@pytest.mark.parametrize(
    ("name", "masked"),
    [("Siti Aminah", "S••• A•••"), ("Suharti", "S•••"), ("  siti \u00a0 AMINAH ", "s••• A•••"), ("Ḥasan", "Ḥ•••")],
)
def test_a_masked_name_tells_first_letters_only(name: str, masked: str) -> None:
    assert mask_name(name) == masked


def test_a_name_is_one_however_its_accents_are_typed() -> None:
    assert tidy_name("H\u0323asan") == tidy_name("\u1e24asan") == "\u1e24asan"


@pytest.mark.parametrize(
    ("days", "said"),
    [
        (["2023-03-06"], "6 Maret 2023"),
        (["2023-03-06", "2023-03-07"], "6 dan 7 Maret 2023"),
        (["2023-03-31", "2023-04-01"], "31 Maret dan 1 April 2023"),
        (["2022-12-31", "2023-01-01", "2023-01-02"], "31 Desember 2022, 1 dan 2 Januari 2023"),
        ([f"2023-03-0{day}" for day in range(1, 7)], "1 Maret 2023 – 6 Maret 2023"),
    ],
)
def test_days_are_said_as_people_say_them(days: list[str], said: str) -> None:
    assert say_days([date.fromisoformat(day) for day in days], "id") == said


def test_everything_on_the_paper_changes_the_fingerprint() -> None:
    known = {face().fingerprint(HOLDER)}
    changed = [
        face(number="LPK/2023/000124"),
        face(course="x"),
        face(title="x"),
        face(course_name_id="x"),
        face(course_name_en="x"),
        face(level="advanced"),
        face(days=(date(2023, 3, 6),)),
        face(sessions_attended=1),
        face(sessions_held=3),
        face(completed_on=date(2023, 3, 6)),
        face(issued_on=date(2023, 3, 9)),
        face(issuer="x"),
        face(provider="x"),
    ]
    assert len(changed) == len(Face.__dataclass_fields__)
    known |= {one.fingerprint(HOLDER) for one in changed}
    known |= {face().fingerprint(HOLDER._replace(name="Siti Amina")), face().fingerprint(HOLDER._replace(salt="x"))}
    assert len(known) == 1 + len(changed) + 2


def test_what_is_revoked_cannot_be_revoked_again() -> None:
    revoked, event = revoke(certificate(), "fraud", by="officer", now=NOW)
    assert (revoked.state, event.reason, event.number) == ("revoked", "fraud", "LPK/2023/000123")
    with pytest.raises(CertificateCountsNoMore) as refused:
        revoke(revoked, "replaced", by="officer", now=NOW)
    assert refused.value.details["because"] == "fraud"


def test_in_public_nobody_is_named() -> None:
    by_number, by_id = show_in_public(certificate(), None), show_in_public(certificate(), HOLDER)
    assert (by_number["holder"], by_id["holder"]) == (None, "S••• A•••")
    assert show_in_public(None, None) == {"state": "unknown"}
    said = str([by_number, by_id])
    assert not any(secret in said for secret in (HOLDER.name, HOLDER.salt, str(UUID(int=7)), "Aminah"))
    assert "because" not in said


# --- the paper


def read_back(pdf: bytes) -> tuple[pypdf.PdfReader, str]:
    reader = pypdf.PdfReader(io.BytesIO(pdf))
    return reader, " ".join(" ".join(page.extract_text() for page in reader.pages).split())


def test_the_paper_says_who_what_and_when_and_is_the_same_each_time() -> None:
    page = page_of(PUBLIC_URL, certificate())
    pdf = typesetting.compile_pdf(certificate(), HOLDER, page)
    assert pdf == typesetting.compile_pdf(certificate(), HOLDER, page)
    reader, text = read_back(pdf)
    for said in ("Siti Aminah", "LPK/2023/000123", "Dasar Kewirausahaan", "6 dan 7 Maret 2023", page, "8 March 2023"):
        assert said in text
    assert certificate().fingerprint in text.replace(" ", "")
    assert len(reader.pages) == 1
    catalogue: Any = reader.trailer["/Root"]
    assert catalogue["/Lang"] == "id"
    assert catalogue["/MarkInfo"]["/Marked"]
    metadata = catalogue["/Metadata"].get_object().get_data().decode()
    assert "<pdfaid:part>2</pdfaid:part>" in metadata.replace(" ", "")
    assert "<pdfuaid:part>1</pdfuaid:part>" in metadata.replace(" ", "")


@pytest.mark.parametrize(
    "name",
    [
        "Suharti",
        "R.A. Ḥasanuddin Ṣāliḥ ‘Abdurraḥmān al-Bantānī, S.E.",
        "Kĕrtåsoewirjo Djojodiningrat Sastrawidjaja Kusumadiningrat Adhi",
        "#set text(red) $x$ *a* _b_ \\ <c> @d [e]",
        "X" * 200,
    ],
)
def test_any_name_is_printed_as_it_is_on_one_page(name: str) -> None:
    holder = Holder(name, "00")
    reader, text = read_back(typesetting.compile_pdf(certificate(holder), holder, PUBLIC_URL))
    assert len(reader.pages) == 1
    assert name.replace(" ", "") in text.replace(" ", "")


def test_a_letter_that_the_font_lacks_is_refused_and_never_printed_as_a_box() -> None:
    holder = Holder("ꦗꦮ", "00")
    with pytest.raises(NameUnprintable):
        typesetting.compile_pdf(certificate(holder), holder, PUBLIC_URL)


def test_the_code_on_the_paper_leads_to_its_page() -> None:
    page = page_of(PUBLIC_URL, certificate())
    said = {"said": to_json(words_of(certificate(), HOLDER, page)).decode(), "code": typesetting.code_of(page)}
    image = typesetting.compiler_of(said).compile(format="png", ppi=110)
    assert isinstance(image, bytes)
    (found,) = zxingcpp.read_barcodes(Image.open(io.BytesIO(image)))
    assert found.text == page == f"{PUBLIC_URL}/certificates/0186b7a0-1234-7abc-8def-0123456789ab"


# --- the credential


def test_our_proof_is_that_of_the_standards_example() -> None:
    """W3C Data Integrity EdDSA Cryptosuites v1.0, B.2 (eddsa-jcs-2022)."""
    document = {
        "@context": ["https://www.w3.org/ns/credentials/v2", "https://www.w3.org/ns/credentials/examples/v2"],
        "id": "urn:uuid:58172aac-d8ba-11ed-83dd-0b3aef56cc33",
        "type": ["VerifiableCredential", "AlumniCredential"],
        "name": "Alumni Credential",
        "description": "A minimum viable example of an Alumni Credential.",
        "issuer": "https://vc.example/issuers/5678",
        "validFrom": "2023-01-01T00:00:00Z",
        "credentialSubject": {"id": "did:example:abcdefgh", "alumniOf": "The School of Examples"},
    }
    secret = base58.b58decode("3u2en7t5LR2WtQH5PfFqMqwVHBeXouLzo6haApm8XHqvjxq")[2:]
    key = "z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2"
    created = datetime(2023, 2, 24, 23, 36, 38, tzinfo=UTC)
    signed = sign(document, secret, f"did:key:{key}#{key}", created=created)
    assert signed["proof"]["proofValue"] == (
        "z2HnFSSPPBzR36zdDgK8PbEHeXbR56YF24jwMpt3R1eHXQzJDMWS93FCzpvJpwTWd3GAVFuUfjoJdcnTMuVor51aX"
    )


def test_a_genuine_credential_counts_and_tells_no_name() -> None:
    found = check(credential(), read_issuer(describe_issuer(PUBLIC_URL, KEYS)), revocations(), now=NOW)
    assert (found.number, found.course) == ("LPK/2023/000123", "Dasar Kewirausahaan")
    assert found.as_of == datetime(2023, 3, 20, 3, tzinfo=UTC)
    assert "Siti" not in json.dumps(credential())
    assert str(UUID(int=7)) not in json.dumps(credential())
    assert credential() == credential()


def test_the_holder_can_prove_the_name() -> None:
    issuer = read_issuer(describe_issuer(PUBLIC_URL, KEYS))
    check(credential(), issuer, revocations(), now=NOW, name=" Siti  Aminah")
    with pytest.raises(NotValid, match="somebody else"):
        check(credential(), issuer, revocations(), now=NOW, name="Siti Amina")


def test_two_certificates_do_not_tell_that_their_holder_is_one_person() -> None:
    other = replace(certificate(), certificate_id=UUID(int=12))
    subjects = [credential_of(one, HOLDER, PUBLIC_URL)["credentialSubject"] for one in (certificate(), other)]
    assert subjects[0]["id"] != subjects[1]["id"]


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Where every value of a document stands."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from places(inner, (*path, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from places(inner, (*path, index))
    else:
        yield path


def changed(document: dict[str, Any], path: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    forged = copy.deepcopy(document)
    inside: Any = forged
    for step in path[:-1]:
        inside = inside[step]
    inside[path[-1]] = value
    return forged


def altered(value: Any) -> Any:
    return not value if isinstance(value, bool) else f"{value}0" if value != "" else "x"


def test_a_credential_changed_anywhere_is_not_valid() -> None:
    genuine, issuer = credential(), read_issuer(describe_issuer(PUBLIC_URL, KEYS))
    tried = 0
    for path in places(genuine):
        inside: Any = genuine
        for step in path:
            inside = inside[step]
        with pytest.raises(NotValid):
            check(changed(genuine, path, altered(inside)), issuer, revocations(), now=NOW)
        tried += 1
    assert tried > 45


@pytest.mark.parametrize("field", sorted(credential()))
def test_a_credential_that_lacks_a_member_is_not_valid(field: str) -> None:
    lacking = {name: value for name, value in credential().items() if name != field}
    with pytest.raises(NotValid):
        check(lacking, read_issuer(describe_issuer(PUBLIC_URL, KEYS)), revocations(), now=NOW)


def test_what_is_added_to_a_credential_is_seen() -> None:
    with pytest.raises(NotValid, match="altered"):
        check({**credential(), "note": "x"}, read_issuer(describe_issuer(PUBLIC_URL, KEYS)), revocations(), now=NOW)


def test_a_forger_with_a_key_of_its_own_is_found_out() -> None:
    issuer = read_issuer(describe_issuer(PUBLIC_URL, KEYS))
    with pytest.raises(NotValid, match="signature"):
        check(credential(private=OTHER), issuer, revocations(), now=NOW)
    foreign = method_of(PUBLIC_URL, key_id_of(public_half(OTHER)))
    with pytest.raises(NotValid, match="not among those given"):
        check(credential(OTHER, foreign), issuer, revocations(), now=NOW)
    elsewhere = read_issuer(describe_issuer("https://forger.example", {"k": public_half(PRIVATE)}))
    with pytest.raises(NotValid, match="is not of"):
        check(credential(), elsewhere, revocations(), now=NOW)


def test_keys_that_the_issuer_does_not_assert_with_count_for_nothing() -> None:
    document = describe_issuer(PUBLIC_URL, KEYS)
    with pytest.raises(Unusable, match="no Ed25519 key"):
        read_issuer({**document, "assertionMethod": []})


def test_an_older_key_still_checks_what_it_signed() -> None:
    both = {key_id_of(public_half(OTHER)): public_half(OTHER), **KEYS}
    check(credential(), read_issuer(describe_issuer(PUBLIC_URL, both)), revocations(private=PRIVATE), now=NOW)


# --- revocation


def test_a_raised_entry_revokes_and_its_neighbours_do_not() -> None:
    issuer = read_issuer(describe_issuer(PUBLIC_URL, KEYS))
    check(credential(), issuer, revocations(94_566, 94_568, 0, STATUS_ENTRIES - 1), now=NOW)
    with pytest.raises(NotValid, match="revoked"):
        check(credential(), issuer, revocations(94_567), now=NOW)


def test_the_first_entry_is_the_leftmost_bit_and_the_list_hides_many() -> None:
    encoded = encode_bits([0, 9])
    bits = gzip.decompress(base64.urlsafe_b64decode(encoded[1:] + "=" * (-len(encoded[1:]) % 4)))
    assert (encoded[0], bits[:2], len(bits) * 8) == ("u", b"\x80\x40", STATUS_ENTRIES)


@pytest.mark.parametrize(
    ("given_list", "because"),
    [
        (revocations(number=4), "another list"),
        (revocations(now=NOW - timedelta(days=32)), "fetch it anew"),
        (revocations(now=NOW + timedelta(days=1)), "fetch it anew"),
        (revocations(private=OTHER), "signature"),
        (changed(revocations(94_567), ("credentialSubject", "encodedList"), encode_bits([])), "altered"),
        ({"id": f"{PUBLIC_URL}/v1/credentials/status/3"}, "issuer"),
    ],
)
def test_a_status_list_that_cannot_tell_is_unusable(given_list: dict[str, Any], because: str) -> None:
    with pytest.raises(Unusable, match=because):
        check(credential(), read_issuer(describe_issuer(PUBLIC_URL, KEYS)), given_list, now=NOW)


def test_a_list_that_unpacks_without_end_is_refused() -> None:
    bomb = "u" + base64.urlsafe_b64encode(gzip.compress(bytes(50_000_000), mtime=0)).decode().rstrip("=")
    packed = status_list(PUBLIC_URL, 3, [], issuer="Dinas", now=NOW)
    packed["credentialSubject"]["encodedList"] = bomb
    signed = sign(packed, PRIVATE, METHOD, created=NOW)
    with pytest.raises(Unusable, match="entries"):
        check(credential(), read_issuer(describe_issuer(PUBLIC_URL, KEYS)), signed, now=NOW)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b'{"a": 1, "a": 2}',
        b'{"a": NaN}',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"a": "' + b"x" * 2_000_000 + b'"}',
    ],
)
def test_a_file_that_is_no_plain_document_is_unusable(data: bytes) -> None:
    with pytest.raises(Unusable):
        read_document(data, "the credential")


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from([*sorted(credential()), "type", "id", "x"]), inner)
        ),
    )
)
def test_whatever_is_given_ends_in_a_verdict(value: Any) -> None:
    issuer = read_issuer(describe_issuer(PUBLIC_URL, KEYS))
    for document in (value, {**credential(), "proof": value}, {**credential(), "credentialStatus": value}):
        if isinstance(document, dict):
            with pytest.raises((NotValid, Unusable)):
                check(document, issuer, revocations(), now=NOW)
            with pytest.raises((NotValid, Unusable)):
                check(credential(), issuer, document, now=NOW)


def test_the_jwt_says_the_same_and_is_signed_with_the_same_key() -> None:
    unsigned = credential_of(certificate(), HOLDER, PUBLIC_URL)
    token = sign_jwt(unsigned, PRIVATE, METHOD)
    key = Ed25519PublicKey.from_public_bytes(public_half(PRIVATE))
    claims = jwt.decode(token, key, algorithms=["EdDSA"], issuer=did_of(PUBLIC_URL))
    assert {name: claims[name] for name in unsigned} == unsigned
    assert claims["jti"] == unsigned["id"]
    assert jwt.get_unverified_header(token)["kid"] == METHOD


# --- the command


def run(folder: Path, *more: str, **files: Any) -> tuple[int, str]:
    written = {
        "credential": write(credential()),
        "keys": write(describe_issuer(PUBLIC_URL, KEYS)),
        "status": write(revocations()),
    } | {name: value if isinstance(value, bytes) else write(value) for name, value in files.items()}
    for name, data in written.items():
        (folder / name).write_bytes(data)
    arguments = [str(folder / "credential"), "--keys", str(folder / "keys"), "--status-list", str(folder / "status")]
    found = CliRunner().invoke(app, ["verify", *arguments, "--at", "2023-03-20T03:15:00", *more])
    return found.exit_code, found.output


def test_the_command_tells_valid_from_not_valid_from_unusable(tmp_path: Path) -> None:
    code, said = run(tmp_path)
    assert (code, "valid: LPK/2023/000123, Dasar Kewirausahaan" in said) == (0, True)
    assert "2023-03-20 03:00 UTC" in said
    face = certificate().face
    assert f"Completed {face.completed_on}, issued {face.issued_on};" in said, "the days that are printed on it"
    assert run(tmp_path, "--name", "Siti Aminah")[0] == 0
    for code, said in (
        run(tmp_path, "--name", "Budi"),
        run(tmp_path, status=revocations(94_567)),
        run(tmp_path, credential=credential(private=OTHER)),
        run(tmp_path, credential=changed(credential(), ("credentialSubject", "licenseNumber"), "LPK/2023/000124")),
    ):
        assert (code, said.startswith("not valid: ")) == (1, True)
    for code, said in (
        run(tmp_path, credential=write(credential())[:-40]),
        run(tmp_path, status=revocations(number=9)),
        run(tmp_path, keys=b"{}"),
        run(tmp_path, "--at", "2023-09-20T03:15:00"),
    ):
        assert (code, said.startswith("unusable: ")) == (2, True)


def test_a_cut_off_signature_is_not_valid(tmp_path: Path) -> None:
    whole = credential()
    cut = changed(whole, ("proof", "proofValue"), whole["proof"]["proofValue"][:-3])
    assert run(tmp_path, credential=cut)[0] == 1


# --- the address that is printed


@pytest.mark.parametrize(
    ("address", "wrong"),
    [
        (None, True),
        ("http://pelatihan.example.go.id", True),
        ("https://example.go.id/pelatihan", True),
        ("https://x@example.go.id", True),
        ("https://", True),
        ("https://pelatihan.example.go.id/", False),
    ],
)
def test_a_deployment_names_the_public_address_before_it_prints_any(
    address: str | None, wrong: bool, setenv: Callable[[dict[str, str]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    setenv({"LAPAK_DATABASE": "postgresql://training:x@127.0.0.1/training", "LAPAK_DEVELOPMENT": "false"})
    if address is not None:
        monkeypatch.setenv("LAPAK_PUBLIC_URL", address)
    if wrong:
        with pytest.raises(SystemExit):
            load(TrainingSettings)
    else:
        assert load(TrainingSettings).public_address == "https://pelatihan.example.go.id"


def test_a_port_of_a_developers_machine_is_part_of_the_issuers_name() -> None:
    assert did_of("http://127.0.0.1:8102") == "did:web:127.0.0.1%3A8102"
