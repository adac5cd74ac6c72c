"""Puts notify together."""

import asyncio
from email.utils import parseaddr

from pydantic import Field, SecretStr, field_validator

from services.notify.api import ROUTERS
from services.notify.channels.email import Email, SmtpServer
from services.notify.consumers import SUBSCRIPTIONS
from services.notify.delivery import Delivery, Pace
from shared.service import Platform, Service
from shared.settings import ServiceSettings, load

__all__ = ["NotifySettings", "create"]


class NotifySettings(ServiceSettings):
    """What notify needs besides: the way mail leaves."""

    smtp: str = Field(description="mail server that takes our messages, host:port", examples=["127.0.0.1:1025"])
    smtp_from: str = Field(
        default="Lapak <lapak@localhost>",
        description="sender of messages; its domain is in every Message-ID",
        examples=["Lapak Jakarta <lapak@example.go.id>"],
    )
    smtp_connections: int = Field(
        default=16, ge=1, le=100, description="connections to the mail server at once", examples=["16"]
    )
    smtp_starttls: bool = Field(
        default=False, description="true: encrypt with STARTTLS, or do not send", examples=["true"]
    )
    smtp_user: str | None = Field(default=None, description="account on the mail server", examples=["lapak"])
    smtp_password: SecretStr | None = Field(
        default=None, description="password of the account on the mail server", examples=["(a secret)"]
    )
    smtp_answer_seconds: float = Field(
        default=60.0,
        gt=0,
        le=600,
        description="how long the mail server may take over a message before its fate counts as unknown",
        examples=["60"],
    )

    @field_validator("smtp")
    @classmethod
    def _check_smtp(cls, value: str) -> str:
        host, _, port = value.rpartition(":")
        if not host or not port.isdigit() or not 0 < int(port) <= 65535:
            raise ValueError("must be host:port")
        return value

    @field_validator("smtp_from")
    @classmethod
    def _check_from(cls, value: str) -> str:
        if "@" not in parseaddr(value)[1] or not value.isascii() or not value.isprintable():
            raise ValueError("must be an address like Lapak <lapak@example.go.id>, in ASCII")
        return value

    def server(self) -> SmtpServer:
        """The mail server."""
        host, _, port = self.smtp.rpartition(":")
        return SmtpServer(
            host=host.strip("[]"),
            port=int(port),
            sender=self.smtp_from,
            user=self.smtp_user,
            password=None if self.smtp_password is None else self.smtp_password.get_secret_value(),
            starttls=self.smtp_starttls,
            answer_seconds=self.smtp_answer_seconds,
        )

    def pace(self) -> Pace:
        """As many lines as connections, and a lease that outlasts the slowest attempt."""
        hand_over = Pace.hand_over_seconds
        return Pace(lines=self.smtp_connections, sending_seconds=hand_over + self.smtp_answer_seconds + 60.0)


def create() -> Service:
    """The service, from the environment."""
    settings = load(NotifySettings)

    async def deliver(platform: Platform, stopping: asyncio.Event) -> None:
        """The delivery of messages, as a background of the service."""
        delivery = Delivery(platform.database, platform.clock, Email(settings.server()), settings.pace())
        await delivery.run(stopping)

    return Service(
        "notify",
        settings,
        routers=ROUTERS,
        subscriptions=SUBSCRIPTIONS,
        background=[deliver],
    )
