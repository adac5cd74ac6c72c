"""Settings of notify: the ways messages leave, and what is asked of each provider."""

import json
from email.utils import parseaddr
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from services.notify.channels.email import SmtpServer
from services.notify.delivery import Pace
from shared.settings import ServiceSettings

__all__ = ["NotifySettings", "ProviderSettings", "TwilioSettings", "VonageSettings", "WhatsAppSettings"]


class ProviderLimits(BaseModel):
    """What a provider may be asked for, the same for every adapter."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,30}$", description="our name of it, as in `wa-main`")
    url: str = Field(description="where its API answers")
    lines: int = Field(default=16, ge=1, le=100, description="messages handed over at once")
    weight: int = Field(default=100, ge=0, le=1000, description="its share among the providers of its channel")
    per_second: float = Field(default=80.0, gt=0, description="messages a second, over all replicas")
    daily_rupiah: int | None = Field(default=None, ge=0, description="what may be spent a day; none: no limit")
    price_millirupiah: int = Field(default=0, ge=0, description="price of a message, of a part where texts have parts")
    reserve_percent: int = Field(
        default=20, ge=0, le=100, description="of the day's money and recipients, what only urgent messages may use"
    )


class WhatsAppSettings(ProviderLimits):
    """A number at the WhatsApp Cloud API."""

    adapter: Literal["whatsapp"]
    number_id: str = Field(description="phone number id")
    account_id: str = Field(description="WhatsApp business account id (WABA): templates belong to it")
    token: SecretStr
    app_secret: SecretStr = Field(description="signs webhooks (X-Hub-Signature-256)")
    verify_token: SecretStr = Field(description="told back when the webhook is set up (hub.verify_token)")
    tier: int | None = Field(default=250, ge=1, description="unique recipients in 24 hours; none: unlimited")
    pair_seconds: float = Field(default=6.0, ge=0, description="between two messages to one person")


class TwilioSettings(ProviderLimits):
    """SMS through Twilio's Programmable Messaging API."""

    adapter: Literal["twilio"]
    account: str = Field(description="account SID, AC...")
    token: SecretStr = Field(description="auth token; also signs callbacks (X-Twilio-Signature)")
    sender: str = Field(description="number (E.164) or alphanumeric sender id")


class VonageSettings(ProviderLimits):
    """SMS through Vonage's SMS API."""

    adapter: Literal["vonage"]
    key: str
    secret: SecretStr
    signature_secret: SecretStr = Field(description="signs callbacks")
    sender: str


ProviderSettings: TypeAlias = Annotated[
    WhatsAppSettings | TwilioSettings | VonageSettings, Field(discriminator="adapter")
]


def _read_json(value: Any) -> Any:
    if isinstance(value, str):
        try:
            return json.loads(value)
        except json.JSONDecodeError:
            raise ValueError("is not JSON") from None
    return value


class NotifySettings(ServiceSettings):
    """What notify needs besides: the ways messages leave."""

    providers: Annotated[list[ProviderSettings], NoDecode, BeforeValidator(_read_json)] = Field(
        default=[],
        repr=False,
        description="providers of WhatsApp and SMS, as a JSON list; without any, messages leave by e-mail only",
        examples=['[{"adapter": "twilio", "name": "sms-a", "url": "https://api.twilio.com", "account": "AC...", ...}]'],
    )
    public_url: str | None = Field(
        default=None,
        description="where notify is reached from outside: providers call back there, links lead there",
        examples=["https://pesan.example.go.id"],
    )
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
