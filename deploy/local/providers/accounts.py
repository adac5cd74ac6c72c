"""Accounts at the providers: credentials, senders, limits, and where webhooks go."""

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Account", "TwilioAccount", "VonageAccount", "WhatsAppAccount"]

Url: TypeAlias = Annotated[str, Field(pattern=r"^https?://\S+$")]


class _Account(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    keeps_told: bool = Field(default=False, description="what its webhook took is kept, to be read at /admin/told")


class WhatsAppAccount(_Account):
    """A business number at WhatsApp. The limits are the documented ones: 80 messages a second; to one person one in
    6 seconds, 45 of them at once; `tier` people in 24 hours outside a conversation they opened.
    """

    adapter: Literal["whatsapp"] = "whatsapp"
    number_id: str = Field(pattern=r"^\d{5,20}$")
    account_id: str = Field(pattern=r"^\d{5,20}$")
    display_number: str = Field(default="622150001000", pattern=r"^[1-9]\d{6,14}$")
    token: str = Field(repr=False)
    app_secret: str = Field(repr=False)
    verify_token: str = Field(repr=False)
    webhook: Url | None = None
    tier: int | None = Field(default=250, ge=1)
    per_second: float = Field(default=80.0, gt=0)
    pair_seconds: float = Field(default=6.0, gt=0)
    pair_burst: int = Field(default=45, ge=1)
    decision_ms: int = Field(default=500, ge=0, description="how soon a new template is approved")

    @property
    def key(self) -> str:
        """Names it among the accounts of its provider."""
        return self.number_id


class TwilioAccount(_Account):
    """An account at Twilio with its senders; `webhook` takes what people write to them."""

    adapter: Literal["twilio"] = "twilio"
    account: str = Field(pattern=r"^AC[0-9a-f]{32}$")
    token: str = Field(repr=False)
    senders: list[str] = Field(min_length=1)
    webhook: Url | None = None
    countries: list[str] = Field(default=["62"], description="calling codes it may send to")
    per_second: float = Field(default=100.0, gt=0)

    @property
    def key(self) -> str:
        """Names it among the accounts of its provider."""
        return self.account


class VonageAccount(_Account):
    """An account at Vonage: `receipts` and `inbound` are the webhooks of the account, called with `method`."""

    adapter: Literal["vonage"] = "vonage"
    api_key: str = Field(pattern=r"^[0-9a-z]{4,20}$")
    secret: str = Field(repr=False)
    signature_secret: str = Field(repr=False)
    senders: list[str] = Field(min_length=1)
    receipts: Url | None = None
    inbound: Url | None = None
    method: Literal["POST", "POST-JSON"] = "POST-JSON"
    per_second: float = Field(default=30.0, gt=0)

    @property
    def key(self) -> str:
        """Names it among the accounts of its provider."""
        return self.api_key


Account: TypeAlias = Annotated[WhatsAppAccount | TwilioAccount | VonageAccount, Field(discriminator="adapter")]
