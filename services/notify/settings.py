"""Settings of notify: the ways messages leave, and what is asked of each provider."""

import json
import re
from datetime import time
from email.utils import parseaddr
from typing import Annotated, Any, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import NoDecode

from services.notify.channels.email import SmtpServer
from services.notify.domain.bounces import PROOF_CHARS
from services.notify.domain.budgets import ProviderBudget
from services.notify.domain.hours import Hours, Span, read_span, read_times
from services.notify.domain.routing import Rules
from services.notify.domain.wishes import Outward
from services.notify.handlers.forecasts import Means
from services.notify.pace import Pace
from shared.events.notify import Channel
from shared.settings import ServiceSettings

__all__ = ["NotifySettings", "ProviderSettings", "TwilioSettings", "VonageSettings", "WhatsAppSettings"]


def _check_address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("https", "http") or not parts.netloc or parts.query or parts.fragment:
        raise ValueError("must be an http(s) address without a query")
    return value.rstrip("/")


HttpAddress: TypeAlias = Annotated[str, AfterValidator(_check_address)]


class ProviderLimits(BaseModel):
    """What a provider may be asked for, the same for every adapter."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,30}$", description="our name of it, as in `wa-main`")
    url: HttpAddress = Field(description="where its API answers")
    lines: int = Field(default=16, ge=1, le=100, description="messages handed over at once")
    weight: int = Field(default=100, ge=0, le=1000, description="its share among the providers of its channel")
    per_second: float = Field(default=80.0, gt=0, description="messages a second, over all replicas")
    daily_rupiah: int | None = Field(default=None, ge=0, description="what may be spent a day; none: no limit")
    price_millirupiah: int = Field(default=0, ge=0, description="price of a message, of a part where texts have parts")
    reserve_percent: int = Field(
        default=20, ge=0, le=100, description="of the day's money and recipients, what only urgent messages may use"
    )
    connect_seconds: float = Field(default=5.0, gt=0, le=60, description="how long a connection may take")
    answer_seconds: float = Field(
        default=30.0, gt=0, le=300, description="how long an answer may take before a message's fate counts as unknown"
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
    portfolio: str | None = Field(
        default=None,
        max_length=64,
        description="business portfolio the tier belongs to: numbers that name the same one share it; none: account_id",
    )


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


def _read_providers(value: Any) -> Any:
    """The list, checked here: a wrong entry is named by its place, for the whole is one variable."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except json.JSONDecodeError:
            raise ValueError("is not JSON") from None
    try:
        found = _PROVIDERS.validate_python(value)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        raise ValueError("; ".join(_fault(fault["loc"], fault["type"], fault["msg"]) for fault in faults[:5])) from None
    if len({one.name for one in found}) < len(found):
        raise ValueError("names two providers alike")
    if any(one.name.startswith(RESERVED_NAMES) for one in found):
        raise ValueError(f"names a provider as our own ones are ({', '.join(RESERVED_NAMES)})")
    return found


def _fault(loc: tuple[int | str, ...], kind: str, reason: str) -> str:
    # pydantic's own sentence repeats the tag that was given
    said = "names no adapter we have" if kind == "union_tag_invalid" else reason.removeprefix("Value error, ")
    return f"{'.'.join(str(part) for part in loc) or 'the whole'}: {said}"


RESERVED_NAMES = ("smtp", "simulated")

LOCAL_CHARS_MAX = 64 - 1 - PROOF_CHARS
"""Servers take 64 characters before the @ (RFC 5321)."""
_BOUNCE_ADDRESS = re.compile(
    rf"[A-Za-z0-9][A-Za-z0-9.-]{{0,{LOCAL_CHARS_MAX - 1}}}@[A-Za-z0-9](?:[A-Za-z0-9.-]{{0,180}}[A-Za-z0-9])?"
)

_PROVIDERS: TypeAdapter[list[ProviderSettings]] = TypeAdapter(list[ProviderSettings])


class NotifySettings(ServiceSettings):
    """What notify needs besides: the ways messages leave."""

    providers: Annotated[list[ProviderSettings], NoDecode, BeforeValidator(_read_providers)] = Field(
        default=[],
        repr=False,
        description="providers of WhatsApp and SMS, as a JSON list; without any, messages leave by e-mail only",
        examples=['[{"adapter": "twilio", "name": "sms-a", "url": "https://api.twilio.com", "account": "AC...", ...}]'],
    )
    public_url: HttpAddress | None = Field(
        default=None,
        validate_default=True,
        description="where notify is reached from outside: providers call back there, links lead there",
        examples=["https://pesan.example.go.id"],
    )
    smtp: str = Field(description="mail server that takes our messages, host:port", examples=["127.0.0.1:1025"])
    smtp_from: str = Field(
        default="Lapak <lapak@localhost>",
        description="sender of messages; its domain is in every Message-ID",
        examples=["Lapak Jakarta <lapak@example.go.id>"],
    )
    smtp_bounce_address: str | None = Field(
        default=None,
        description="where what cannot be delivered comes back: mail to NAME+anything@DOMAIN goes to "
        "`lapak notify bounces -`; none: to the sender",
        examples=["bounce@pesan.example.go.id"],
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

    quiet_hours: Annotated[Span | None, NoDecode, BeforeValidator(read_span)] = Field(
        default=(time(21), time(6)),
        description="when nothing leaves that is not time-critical (WIB); off: never",
        examples=["21:00-06:00"],
    )
    friday_prayer: Annotated[Span | None, NoDecode, BeforeValidator(read_span)] = Field(
        default=(time(11, 30), time(13)),
        description="the same on Fridays (WIB); off: never",
        examples=["11:30-13:00"],
    )
    digest_times: Annotated[tuple[time, ...], NoDecode, BeforeValidator(read_times)] = Field(
        default=(time(16),),
        description="when messages that may wait are told in one (WIB); off: each leaves by itself",
        examples=["16:00"],
    )

    @field_validator("public_url")
    @classmethod
    def _check_public_url(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None and info.data.get("providers"):
            raise ValueError("is needed where LAPAK_PROVIDERS names any: they call back there")
        return value

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

    @field_validator("smtp_bounce_address")
    @classmethod
    def _check_bounce_address(cls, value: str | None) -> str | None:
        if value is not None and not _BOUNCE_ADDRESS.fullmatch(value):
            raise ValueError(
                f"must be a bare address like bounce@pesan.example.go.id, with {LOCAL_CHARS_MAX} letters, digits, dots "
                "or hyphens before the @ at most: a plus and a proof follow them"
            )
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
            bounce_address=self.smtp_bounce_address,
        )

    def pace(self) -> Pace:
        """As many lines as connections, and a lease that outlasts the slowest attempt."""
        hand_over = Pace.hand_over_seconds
        slowest = max([self.smtp_answer_seconds, *(one.connect_seconds + one.answer_seconds for one in self.providers)])
        silence: dict[Channel, float] = {"whatsapp": self.silence_whatsapp_seconds, "sms": self.silence_sms_seconds}
        return Pace(
            lines=self.smtp_connections,
            sending_seconds=hand_over + slowest + 60.0,
            silence={channel: seconds for channel, seconds in silence.items() if seconds},
        )

    silence_whatsapp_seconds: float = Field(
        default=1800.0,
        ge=0,
        description="an urgent message without a receipt for so long is tried on its next channel too; 0: never",
        examples=["1800"],
    )
    silence_sms_seconds: float = Field(
        default=1200.0, ge=0, description="the same for SMS; the first to arrive wins", examples=["1200"]
    )

    broadcast_approval_over: int = Field(
        default=500,
        ge=0,
        description="a broadcast to more people than this needs a second person's approval",
        examples=["500"],
    )

    template_submissions_per_hour: int = Field(
        default=90,
        ge=1,
        le=10_000,
        description="WhatsApp forms submitted for approval in an hour; Meta takes 100 of an account",
        examples=["90"],
    )

    key_messages_per_minute: int = Field(
        default=600, ge=1, le=100_000, description="messages a minute that a new key may send", examples=["600"]
    )
    bodies_days: int = Field(
        default=7,
        ge=1,
        le=400,
        description="what messages and replies say is removed so many days after they were settled",
        examples=["7"],
    )
    messages_days: int = Field(
        default=400,
        ge=30,
        le=4000,
        description="that a message was sent, and how, is removed after so many days; counts stay for ever",
        examples=["400"],
    )

    def hours(self) -> Hours:
        """The pauses in which nothing leaves that can wait. Without quiet hours feast days are none either."""
        return Hours(self.quiet_hours, self.friday_prayer, feasts=self.quiet_hours is not None)

    def rules(self) -> Rules:
        """What holds for the routing of every message: WhatsApp first, then SMS, then e-mail, as far as there are."""
        there = {one.adapter for one in self.providers}
        channels: list[Outward] = ["email"]
        if there - {"whatsapp"}:
            channels.insert(0, "sms")
        if "whatsapp" in there:
            channels.insert(0, "whatsapp")
        return Rules(tuple(channels), self.hours(), self.digest_times)

    def means(self) -> Means:
        """What broadcasts are foreseen and sent with."""
        budgets = self.budgets()
        by_channel: dict[Channel, list[ProviderBudget]] = {}
        for one in self.providers:
            by_channel.setdefault("whatsapp" if one.adapter == "whatsapp" else "sms", []).append(budgets[one.name])
        return Means(by_channel, self.rules().channels, self.hours(), self.broadcast_approval_over)

    def budgets(self) -> dict[str, ProviderBudget]:
        """What each provider may be asked for, by its name. The mail server has no limits of ours."""
        return {one.name: _budget(one) for one in self.providers}


def _budget(one: ProviderSettings) -> ProviderBudget:
    whatsapp = one if isinstance(one, WhatsAppSettings) else None
    return ProviderBudget(
        provider=one.name,
        portfolio=one.name if whatsapp is None else f"whatsapp:{whatsapp.portfolio or whatsapp.account_id}",
        per_second=one.per_second,
        pair_seconds=0.0 if whatsapp is None else whatsapp.pair_seconds,
        tier=None if whatsapp is None else whatsapp.tier,
        daily_millirupiah=None if one.daily_rupiah is None else one.daily_rupiah * 1000,
        price_millirupiah=one.price_millirupiah,
        reserve_percent=one.reserve_percent,
    )
