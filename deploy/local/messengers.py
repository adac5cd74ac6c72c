"""A stack's accounts at the emulated providers: notify and the emulators are told the same.

Made once by `open_accounts` and kept in the stack's folder; without them messages leave by e-mail only.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass
from typing import Any

import httpx

from deploy.local.processes import StackError
from deploy.local.stack import Running
from deploy.local.state import write_private

__all__ = ["LIMITS", "TIME_LAPSE", "Limits", "call_back", "environment", "open_accounts"]

FILE = "providers.json"
NUMBER = "622150001000"
TWILIO_NUMBER = "+622150002000"
VONAGE_NUMBER = "622150003000"
WHATSAPP_PRICE_MILLIRUPIAH = 370_000
"""A utility message to Indonesia, some Rp 370 in Meta's list."""
SMS_PRICE_MILLIRUPIAH = 500_000


@dataclass(frozen=True)
class Limits:
    """What WhatsApp lets through: people whom a number may write to in 24 hours (None: all), seconds between two
    messages to one person, messages a second.
    """

    tier: int | None = 1000
    pair_seconds: float = 6.0
    per_second: float = 80.0


LIMITS = Limits()
"""Those of a new account of ours, unless somebody says otherwise."""

TIME_LAPSE = Limits(tier=None, pair_seconds=0.0, per_second=1000.0)
"""For a story whose weeks pass in a minute: limits a second would be met where they never are in life. The emulator
itself allows one person 45 messages at once and then one in 6 seconds, whatever we keep to.
"""


def open_accounts(running: Running, notify_url: str, limits: Limits = LIMITS) -> None:
    """Make the accounts at the emulators, or make them known to emulators started anew. What they report before notify
    answers comes again. `limits`: of accounts that are new.
    """
    path = running.state_dir / FILE
    if not path.exists():
        names = ("token", "app_secret", "verify_token", "twilio", "vonage", "vonage_signature")
        keys = {name: secrets.token_urlsafe(24) for name in names}
        write_private(path, json.dumps(keys | {"limits": asdict(limits)}))
    _tell(running, notify_url, verify=False)


def call_back(running: Running, notify_url: str) -> None:
    """Have WhatsApp verify notify's address, as it does when one sets it up."""
    _tell(running, notify_url, verify=True)


def environment(running: Running) -> dict[str, str]:
    """The settings with which notify uses the accounts; empty where none were opened."""
    path = running.state_dir / FILE
    if not path.exists():
        return {}
    keys, limits = _read(running)
    url = running.providers_url
    providers: list[dict[str, Any]] = [
        {
            "adapter": "whatsapp",
            "name": "wa-main",
            "url": f"{url}/graph",
            "number_id": "1090000001",
            "account_id": "2090000001",
            "token": keys["token"],
            "app_secret": keys["app_secret"],
            "verify_token": keys["verify_token"],
            "tier": limits.tier,
            "pair_seconds": limits.pair_seconds,
            "per_second": limits.per_second,
            "price_millirupiah": WHATSAPP_PRICE_MILLIRUPIAH,
        },
        {
            "adapter": "twilio",
            "name": "sms-a",
            "url": f"{url}/twilio",
            "account": _sid(),
            "token": keys["twilio"],
            "sender": TWILIO_NUMBER,
            "price_millirupiah": SMS_PRICE_MILLIRUPIAH,
        },
        {
            "adapter": "vonage",
            "name": "sms-b",
            "url": f"{url}/vonage",
            "key": "lapak123",
            "secret": keys["vonage"],
            "signature_secret": keys["vonage_signature"],
            "sender": VONAGE_NUMBER,
            "per_second": 30,
            "price_millirupiah": SMS_PRICE_MILLIRUPIAH,
        },
    ]
    return {"LAPAK_PROVIDERS": json.dumps(providers), "LAPAK_TEMPLATE_SUBMISSIONS_PER_HOUR": "10000"}


def _read(running: Running) -> tuple[dict[str, str], Limits]:
    """The accounts' secrets, and their limits."""
    keys = json.loads((running.state_dir / FILE).read_text())
    return keys, Limits(**keys.pop("limits", {}))  # a stack of before has none written


def _sid() -> str:
    return "AC" + "1" * 32


def _tell(running: Running, notify_url: str, *, verify: bool) -> None:
    keys, limits = _read(running)

    def webhook(name: str) -> str:
        return f"{notify_url}/v1/providers/{name}/webhook"

    accounts: list[dict[str, Any]] = [
        {
            "adapter": "whatsapp",
            "number_id": "1090000001",
            "account_id": "2090000001",
            "display_number": NUMBER,
            "token": keys["token"],
            "app_secret": keys["app_secret"],
            "verify_token": keys["verify_token"],
            "webhook": webhook("wa-main"),
            "tier": limits.tier,
            "per_second": limits.per_second,
        },
        {
            "adapter": "twilio",
            "account": _sid(),
            "token": keys["twilio"],
            "senders": [TWILIO_NUMBER],
            "webhook": webhook("sms-a"),
        },
        {
            "adapter": "vonage",
            "api_key": "lapak123",
            "secret": keys["vonage"],
            "signature_secret": keys["vonage_signature"],
            "senders": [VONAGE_NUMBER],
            "receipts": webhook("sms-b"),
            "inbound": webhook("sms-b"),
        },
    ]
    with httpx.Client(base_url=running.providers_url, timeout=15, verify=False) as client:
        for account in accounts:
            answer = client.post("/admin/accounts", json=account, params={"verify": verify})
            if not answer.is_success:
                raise StackError(f"The emulated {account['adapter']} refused its account: {answer.text[:500]}")
