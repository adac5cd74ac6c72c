"""Where providers call back: receipts, what people wrote, news of templates and of our account.

No token: the provider's signature is the right. What comes is answered 200 when all of it is committed; anything else
makes the provider call again, so nothing is lost while the database is away, and what was taken before is known.
"""

from urllib.parse import parse_qsl

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse

from services.notify.channels import Challenged, Provider, WebhookRefused
from services.notify.channels.assembly import providers
from services.notify.domain.providers import ProviderNotFound
from services.notify.handlers.reports import apart, take_reports
from services.notify.settings import NotifySettings
from shared.errors import Refused
from shared.http import PublicEdge, PublicEdgeDep, large_body

BODY_BYTES_MAX = 3 * 1024 * 1024
"""What Meta sends at most."""

router = APIRouter(tags=["webhooks of providers"])


class WebhookNotBelieved(Refused):
    """The call is not the provider's, by its signature."""

    code = "webhook-not-believed"
    status = 401


@router.post("/v1/providers/{name}/webhook")
@large_body(BODY_BYTES_MAX)
async def take_webhook(name: str, request: Request, edge: PublicEdgeDep) -> Response:
    """A provider reports; its signature is checked first. It may say the same twice, late and in any order."""
    return await _take(edge, request, name, "")


@router.post("/v1/providers/{name}/webhook/{rest:path}")
@large_body(BODY_BYTES_MAX)
async def take_webhook_of(name: str, rest: str, request: Request, edge: PublicEdgeDep) -> Response:
    """The same, where the address names the attempt it is about (Twilio)."""
    return await _take(edge, request, name, rest)


@router.get("/v1/providers/{name}/webhook")
async def confirm_webhook(name: str, request: Request, edge: PublicEdgeDep) -> Response:
    """A provider asks whether this address is ours (Meta's `hub.challenge`), or reports by its query (Vonage)."""
    provider = _find(request, edge, name)
    if not isinstance(provider, Challenged):
        return await _take(edge, request, name, "")
    try:
        return PlainTextResponse(provider.challenge(dict(parse_qsl(_query(request), keep_blank_values=True))))
    except WebhookRefused as error:
        raise _not_believed(error) from None


async def _take(edge: PublicEdge, request: Request, name: str, rest: str) -> Response:
    provider = _find(request, edge, name)
    query = _query(request)
    body = await request.body()
    try:
        reports = provider.read_webhook(f"{rest}?{query}" if query else rest, request.headers, body)
    except WebhookRefused as error:
        raise _not_believed(error) from None
    for some in apart(reports):
        async with edge.platform.database.transaction() as conn:
            await take_reports(conn, some, sealer=edge.platform.sealer, now=edge.now)
    return Response(status_code=200)


def _query(request: Request) -> str:
    """The query as it came. `request.url` makes a fault of bytes that are no UTF-8."""
    sent: bytes = request.scope["query_string"]
    return sent.decode("latin-1")


def _find(request: Request, edge: PublicEdge, name: str) -> Provider:
    """The provider of this name. They are made once for the application."""
    found: dict[str, Provider] | None = getattr(request.app.state, "providers", None)
    if found is None:
        settings = edge.platform.settings
        assert isinstance(settings, NotifySettings)
        found = {one.name: one for one in providers(settings, edge.platform.sealer)}
        request.app.state.providers = found
    if name not in found:
        raise ProviderNotFound("No provider has this name; LAPAK_PROVIDERS lists those there are.", provider=name)
    return found[name]


def _not_believed(error: WebhookRefused) -> WebhookNotBelieved:
    return WebhookNotBelieved(
        f"Nothing was taken from this call: {error}. The provider's keys are in LAPAK_PROVIDERS, and it must call the "
        "address that LAPAK_PUBLIC_URL says."
    )
