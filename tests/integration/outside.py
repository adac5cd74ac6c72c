"""What the tests of notify's doors to other systems share: keys, subscribers, an operator before them."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import httpx

from services.notify.channels.simulated import simulated_providers
from services.notify.delivery import Delivery, Outlet
from services.notify.domain.templates import ActivateVersion
from services.notify.handlers import templates
from services.notify.rendering import Template, version_of
from shared.auth import LocalIssuer
from tests.integration.notify import QUICK, Desk

EMAIL = "Kabar {{ title }}\n\nHalo {{ name }}, {{ title }} mulai {{ day | day }}.\n"
SMS = "Lapak: {{ title }} mulai {{ day | day }}.\n"
FORMS = {"email": EMAIL, "sms": SMS, "whatsapp": f"category: marketing\n\n{SMS}"}
TEMPLATE = "broadcast-kabar"
PARAMS = {"title": "Bazar Senen", "day": "2023-03-20"}


class Outside:
    """Notify with operators and other systems before it."""

    def __init__(self, desk: Desk, client: httpx.AsyncClient, issuer: LocalIssuer) -> None:
        self.desk = desk
        self.client = client
        self.issuer = issuer

    async def post(
        self, path: str, body: Any = None, *, role: str = "operator", key: str | None = None
    ) -> httpx.Response:
        """POST as an operator, or with a key."""
        headers = {
            "Authorization": f"Bearer {key or self.issuer.token(f'{role}-1', [role])}",
            "Idempotency-Key": str(uuid4()),
        }
        return await self.client.post(f"/v1{path}", json=body, headers=headers)

    async def get(self, path: str, *, role: str = "operator", key: str | None = None, **query: Any) -> httpx.Response:
        """GET as an operator, or with a key."""
        headers = {"Authorization": f"Bearer {key or self.issuer.token(f'{role}-1', [role])}"}
        return await self.client.get(f"/v1{path}", params=query, headers=headers)

    async def key(self, kind: str, **more: Any) -> str:
        """A new key."""
        answer = await self.post("/keys", {"kind": kind, "name": "Uji", **more})
        assert answer.status_code == 201, answer.text
        found: str = answer.json()["key"]
        return found

    async def template(self, name: str = TEMPLATE, forms: Sequence[str] = ("email", "sms")) -> None:
        """A template that may be sent, in use."""
        sources: dict[str, str] = {}
        for language in ("id", "en"):
            sources |= {language if form == "email" else f"{language}.{form}": FORMS[form] for form in forms}
        template = Template(name, version_of(sources), sources)
        async with self.desk.database.transaction() as conn:
            await templates.save_version(
                conn, template, {"title": "text", "day": "date"}, by="ani", reason="uji", now=self.desk.clock.now()
            )
            await templates.activate_version(
                conn,
                name,
                template.version,
                ActivateVersion(reason="uji"),
                by="ani",
                now=self.desk.clock.now(),
            )

    async def send(self, key: str, recipient: dict[str, Any], **more: Any) -> httpx.Response:
        """Ask for a message."""
        return await self.post(
            "/messages", {"template": TEMPLATE, "recipient": recipient, "params": PARAMS, **more}, key=key
        )

    async def sent(self, key: str, recipient: dict[str, Any], **more: Any) -> UUID:
        """Ask for a message that must be taken; its id."""
        answer = await self.send(key, recipient, **more)
        assert answer.status_code == 201, answer.text
        return UUID(answer.json()["message_id"])

    def simulating(self) -> Delivery:
        """A delivery with nothing but simulated providers."""
        outlets = [Outlet(one, lines=4) for one in simulated_providers()]
        return Delivery(self.desk.database, self.desk.clock, outlets, QUICK, sealer=self.desk.sealer)
