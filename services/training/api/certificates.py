"""Certificates: for their holders, for officers, and (masked) for everybody who has one in the hand."""

import hmac
from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from services.training.api.access import find_class, require_class_area, require_not_own, require_side, serves
from services.training.domain import certificates as domain
from services.training.domain import credentials
from services.training.domain.certificates import Certificate, CertificateUnknown, Holder, Reason, RevokeCertificate
from services.training.domain.courses import CourseCode
from services.training.handlers import certificates as handlers
from services.training.settings import TrainingSettings
from services.training.store import certificates as store
from services.training.store import registry
from services.training.store.credentials import KEYS
from shared import families
from shared.auth import Caller, NotOwnData, OutsideArea
from shared.clock import day_in_jakarta
from shared.db import Connection
from shared.events.values import AreaCode
from shared.http import LIMIT_DEFAULT, After, EdgeDep, Limit, PublicEdge, PublicEdgeDep, page, read_cursor
from shared.http import edge as known_edge
from shared.signing_keys import open_signing_key

router = APIRouter(prefix="/v1", tags=["certificates"])

PRIVATE = {"Cache-Control": "private, no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff"}
"""A certificate bears a name: no cache keeps one, and its secret address is told to no other site."""

Key = Annotated[str | None, Query(max_length=100, description="Secret of the holder's link, instead of a token")]


class CertificateView(BaseModel):
    """A certificate. `page`: for everybody; `pdf` and `credential`: addresses that need no token, for the holder only:
    whoever has one can open it."""

    certificate_id: UUID
    number: str
    vendor_id: UUID | None
    class_id: UUID
    course: str
    title: str
    issued_on: date
    completed_on: date
    state: Literal["valid", "revoked"]
    revoked_on: date | None
    revoked_because: Reason | None
    fingerprint: str
    page: str
    pdf: str | None = None
    credential: str | None = None


class CertificatePage(BaseModel):
    """Certificates, the last issued first."""

    items: list[CertificateView]
    next: str | None


class ReissueAnswer(BaseModel):
    """The certificate that stands now."""

    certificate_id: UUID
    number: str


@router.get("/certificates", response_model=CertificatePage)
async def list_certificates(
    edge: EdgeDep,
    area: Annotated[AreaCode | None, Query(description="Of classes of this area; else of all yours")] = None,
    class_id: UUID | None = None,
    course: CourseCode | None = None,
    state: Literal["valid", "revoked"] | None = None,
    issued_from: date | None = None,
    issued_to: date | None = None,
    after: After = None,
    limit: Limit = LIMIT_DEFAULT,
) -> dict[str, Any]:
    """Certificates of classes of an officer's area, the last issued first. Without names: the registry has them."""
    caller = edge.caller
    caller.require("officer")
    wanted = area or caller.area
    if wanted is None:
        raise OutsideArea("Certificates are shown to officers of an area; this token names none.")
    caller.require_area(wanted)
    async with edge.read() as conn:
        found = await store.find_certificates(
            conn,
            area=wanted,
            class_id=class_id,
            course=course,
            state=state,
            issued_from=issued_from,
            issued_to=issued_to,
            after=read_cursor(after, UUID) if after is not None else None,
            limit=limit + 1,
        )
    return page([view_of(edge, one) for one in found], limit, lambda view: view.certificate_id)


@router.get("/trainees/{vendor_id}/certificates", response_model=list[CertificateView])
async def list_of_trainee(edge: EdgeDep, vendor_id: UUID) -> list[CertificateView]:
    """All certificates of a person, under whichever of its ids, for the vendor itself and officers of where it lives.
    The vendor itself is given addresses of its papers that need no token, to open on any phone."""
    async with edge.read() as conn:
        await require_side(conn, edge.caller, vendor_id)
        family = await families.find_family(conn, vendor_id)
        found = await store.find_of_vendors(conn, family)
    own = edge.caller.has("vendor") and edge.caller.vendor_id in family
    return [view_of(edge, one, own=own) for one in found]


@router.get("/certificates/{certificate_id}.pdf", response_class=Response)
async def show_pdf(edge: PublicEdgeDep, certificate_id: UUID, key: Key = None) -> Response:
    """A certificate to print, for its holder (by token, or by the secret address in its list) and for officers of the
    class or of where the holder lives. The same bytes each time."""
    from services.training.typesetting import typeset  # with Typst 9 MB, for the first paper

    found, holder = await _open(edge, certificate_id, key)
    pdf = await typeset(found, holder, credentials.page_of(settings_of(edge).public_address, found))
    name = f"sertifikat-{found.face.number.replace('/', '-')}.pdf"
    return Response(
        pdf, media_type="application/pdf", headers={**PRIVATE, "Content-Disposition": f'inline; filename="{name}"'}
    )


@router.get("/certificates/{certificate_id}/credential.json", response_class=Response)
async def show_credential(edge: PublicEdgeDep, certificate_id: UUID, key: Key = None) -> Response:
    """A certificate as Open Badge 3.0 (a W3C verifiable credential), signed; for those who may have the PDF. Check it
    without us: `lapak certificate verify`."""
    unsigned, private, method, found = await _credential(edge, certificate_id, key)
    signed = credentials.sign(unsigned, private, method, created=found.issued_at)
    name = f"sertifikat-{found.face.number.replace('/', '-')}.json"
    return Response(
        credentials.write(signed),
        media_type="application/vc",
        headers={**PRIVATE, "Content-Disposition": f'attachment; filename="{name}"'},
    )


@router.get("/certificates/{certificate_id}/credential.jwt", response_class=Response)
async def show_credential_jwt(edge: PublicEdgeDep, certificate_id: UUID, key: Key = None) -> Response:
    """The same Open Badge as a JWT, for verifiers that take only this form."""
    unsigned, private, method, _ = await _credential(edge, certificate_id, key)
    return Response(credentials.sign_jwt(unsigned, private, method), media_type="application/vc+jwt", headers=PRIVATE)


@router.get("/certificates/{certificate_id}", response_model=CertificateView)
async def show_certificate(edge: EdgeDep, certificate_id: UUID) -> CertificateView:
    """A certificate, for its holder and for officers of the class or of where the holder lives."""
    async with edge.read() as conn:
        found = await _find(conn, certificate_id)
        own = await _require_reader(conn, edge.caller, found)
    return view_of(edge, found, own=own)


@router.post("/certificates/{certificate_id}/revoke", response_model=CertificateView)
async def revoke_certificate(edge: EdgeDep, certificate_id: UUID, command: RevokeCertificate) -> Response:
    """Take a certificate back; an officer of the class's area, never its own. Its page and the status list say so."""

    async def act(conn: Connection) -> CertificateView:
        await _require_decider(conn, edge.caller, certificate_id)
        revoked = await handlers.revoke(conn, certificate_id, command.reason, by=edge.caller.subject, now=edge.now)
        return view_of(edge, revoked)

    return await edge.once(act)


@router.post("/certificates/{certificate_id}/reissue", status_code=201, response_model=ReissueAnswer)
async def reissue_certificate(edge: EdgeDep, certificate_id: UUID) -> Response:
    """Give a certificate anew, with another number and the name as the registry has it now; the old one is revoked as
    replaced. An officer of the class's area, never its own."""

    async def act(conn: Connection) -> ReissueAnswer:
        await _require_decider(conn, edge.caller, certificate_id)
        issued = await handlers.reissue(
            conn,
            certificate_id,
            by=edge.caller.subject,
            now=edge.now,
            sealer=edge.platform.sealer,
            issuer=settings_of(edge).certificate_issuer,
        )
        return ReissueAnswer(certificate_id=issued.certificate_id, number=issued.face.number)

    return await edge.once(act, status=201)


@router.post("/certificates/{certificate_id}/link", status_code=204)
async def renew_link(edge: EdgeDep, certificate_id: UUID) -> Response:
    """End the secret addresses of a certificate that were given out; the list shows new ones. For the holder itself."""

    async def act(conn: Connection) -> None:
        found = await _find(conn, certificate_id)
        if not await _is_holder(conn, edge.caller, found):
            raise NotOwnData("The addresses of a certificate are its holder's to renew.")
        await handlers.renew_link(conn, certificate_id)

    return await edge.once(act, status=204)


@router.get("/public/certificates/{reference:path}")
async def show_public(edge: PublicEdgeDep, reference: str, response: Response) -> dict[str, Any]:
    """Whether a certificate counts, by its id (as in its code) or its number (LPK/2023/000123, or with - for /): valid,
    revoked or unknown. By its id also the holder's name, masked."""
    response.headers["Cache-Control"] = "public, max-age=60"
    async with edge.read() as conn:
        return await handlers.find_public(conn, reference, sealer=edge.platform.sealer)


def settings_of(edge: PublicEdge) -> TrainingSettings:
    """The settings of this service."""
    settings = edge.platform.settings
    assert isinstance(settings, TrainingSettings)
    return settings


def view_of(edge: PublicEdge, found: Certificate, *, own: bool = False) -> CertificateView:
    """A certificate as it is shown; `own`: to its holder."""
    path, secret = f"/v1/certificates/{found.certificate_id}", _secret_of(edge, found) if own else None
    open_to_holder = secret is not None and found.revoked_at is None and found.holder_sealed is not None
    return CertificateView(
        certificate_id=found.certificate_id,
        number=found.face.number,
        vendor_id=found.vendor_id if found.holder_sealed is not None else None,
        class_id=found.class_id,
        course=found.face.course,
        title=found.face.title,
        issued_on=found.face.issued_on,
        completed_on=found.face.completed_on,
        state=found.state,
        revoked_on=None if found.revoked_at is None else day_in_jakarta(found.revoked_at),
        revoked_because=found.revoked_because,
        fingerprint=found.fingerprint,
        page=credentials.page_of(settings_of(edge).public_address, found),
        pdf=f"{path}.pdf?key={secret}" if open_to_holder else None,
        credential=f"{path}/credential.json?key={secret}" if open_to_holder else None,
    )


def _secret_of(edge: PublicEdge, found: Certificate) -> str:
    return handlers.secret_of(found, edge.platform.sealer)


async def _find(conn: Connection, certificate_id: UUID) -> Certificate:
    found = await store.find_certificate(conn, certificate_id)
    if found is None:
        raise CertificateUnknown("There is no such certificate.")
    return found


async def _open(edge: PublicEdge, certificate_id: UUID, key: str | None) -> tuple[Certificate, Holder]:
    """A certificate that counts, with its holder, for who may see it: by the secret of its link, or by a token.

    Raises `CertificateUnknown`, `CertificateCountsNoMore`, `HolderErased`, `Unauthenticated`, `Forbidden`.
    """
    caller = None if key is not None else (await known_edge(edge.request)).caller
    async with edge.read() as conn:
        found = await _find(conn, certificate_id)
        if caller is not None:
            await _require_reader(conn, caller, found)
    if key is not None and not hmac.compare_digest(_secret_of(edge, found).encode(), key.encode()):
        raise CertificateUnknown("There is no such certificate, or its address was renewed; look into the list anew.")
    domain.require_standing(found)
    return found, handlers.holder_of(found, edge.platform.sealer)


async def _credential(
    edge: PublicEdge, certificate_id: UUID, key: str | None
) -> tuple[dict[str, Any], bytes, str, Certificate]:
    found, holder = await _open(edge, certificate_id, key)
    async with edge.read() as conn:
        # there since the first certificate was issued
        key_id, private = await open_signing_key(conn, KEYS, edge.platform.sealer, now=edge.now)
    public_url = settings_of(edge).public_address
    return (
        credentials.credential_of(found, holder, public_url),
        private,
        credentials.method_of(public_url, key_id),
        found,
    )


async def _is_holder(conn: Connection, caller: Caller, found: Certificate) -> bool:
    return caller.has("vendor") and caller.vendor_id in await families.find_family(conn, found.vendor_id)


async def _require_reader(conn: Connection, caller: Caller, found: Certificate) -> bool:
    """Refuse everybody but the holder (True), and officers of the class's area or of where the holder lives."""
    if await _is_holder(conn, caller, found):
        return True
    caller.require_vendor(found.vendor_id)
    home = await registry.find_kelurahan(conn, found.vendor_id)
    areas = [(await find_class(conn, found.class_id)).area, *([home] if home is not None else [])]
    if not any(serves(caller, area) for area in areas):
        raise OutsideArea("Neither the class nor its holder is in your area.", area=caller.area)
    return False


async def _require_decider(conn: Connection, caller: Caller, certificate_id: UUID) -> None:
    caller.require("officer")
    found = await _find(conn, certificate_id)
    await require_class_area(conn, caller, found.class_id)
    await require_not_own(conn, caller, found.vendor_id)
