"""Who signs credentials, and which of them count no more: for everybody, to check certificates without asking us."""

from typing import Any

from fastapi import APIRouter, Response

from services.training.api.certificates import settings_of
from services.training.domain import credentials as domain
from services.training.domain.credentials import StatusListUnknown
from services.training.store import credentials as store
from shared.db import Connection
from shared.http import EdgeDep, PublicEdgeDep
from shared.signing_keys import find_public_keys, open_signing_key, rotate_key

router = APIRouter(tags=["certificates"])

STATUS_LISTS_MAX = 2**31 - 1
CACHED = {"Cache-Control": "public, max-age=300", "X-Content-Type-Options": "nosniff"}


@router.get("/.well-known/did.json", response_class=Response)
async def show_issuer(edge: PublicEdgeDep) -> Response:
    """The issuer's DID document (did:web): every key that ever signed a credential, the one that signs now first."""
    async with edge.read() as conn:
        keys = await find_public_keys(conn, store.KEYS)
    document = domain.describe_issuer(settings_of(edge).public_address, keys)
    return Response(domain.write(document), media_type="application/did+json", headers=CACHED)


@router.get("/v1/credentials/status/{number}", response_class=Response)
async def show_status_list(edge: PublicEdgeDep, number: int) -> Response:
    """Which certificates of a status list are revoked (W3C Bitstring Status List 1.0), signed. It counts for 31 days,
    so that a device without a network may keep it; whoever fetches it again within the hour gets it anew."""
    async with edge.read() as conn:
        revoked = await store.find_revoked_indexes(conn, number) if 0 < number <= STATUS_LISTS_MAX else None
        if revoked is None:
            raise StatusListUnknown("There is no such status list; credentials name theirs.")
        key_id, private = await open_signing_key(conn, store.KEYS, edge.platform.sealer, now=edge.now)
    settings = settings_of(edge)
    listed = domain.status_list(
        settings.public_address, number, revoked, issuer=settings.certificate_issuer, now=edge.now
    )
    signed = domain.sign(
        listed, private, domain.method_of(settings.public_address, key_id), created=domain.hour_of(edge.now)
    )
    return Response(domain.write(signed), media_type="application/vc", headers=CACHED)


@router.post("/v1/credentials/keys", status_code=201)
async def rotate(edge: EdgeDep) -> Response:
    """Have a new key sign from now on; an operator. What older keys signed stays good: verifiers need all the keys."""
    edge.caller.require("operator")

    async def act(conn: Connection) -> dict[str, Any]:
        return {"key_id": await rotate_key(conn, store.KEYS, edge.platform.sealer, now=edge.now)}

    return await edge.once(act, status=201)
