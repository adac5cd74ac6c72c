"""Providers as the settings name them: all of them are made, and a wrong one is named without its secrets."""

import json
from typing import Any

import pytest

from services.notify.channels import Challenged
from services.notify.channels.assembly import providers
from services.notify.settings import NotifySettings
from shared.auth import LocalIssuer
from shared.crypto import Sealer
from shared.settings import load
from tests.conftest import environment

SECRET = "rahasia-sekali"
WHATSAPP: dict[str, Any] = {
    "adapter": "whatsapp",
    "name": "wa-main",
    "url": "https://graph.facebook.com/",
    "number_id": "1055",
    "account_id": "2066",
    "token": SECRET,
    "app_secret": SECRET,
    "verify_token": SECRET,
}
TWILIO: dict[str, Any] = {
    "adapter": "twilio",
    "name": "sms-a",
    "url": "https://api.twilio.com",
    "account": "AC1",
    "token": SECRET,
    "sender": "LAPAK",
}
VONAGE: dict[str, Any] = {
    "adapter": "vonage",
    "name": "sms-b",
    "url": "https://rest.nexmo.com",
    "key": "k",
    "secret": SECRET,
    "signature_secret": SECRET,
    "sender": "LAPAK",
}


@pytest.fixture
def setting(issuer: LocalIssuer, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The environment of notify, its providers still to be said."""
    for name, value in environment(issuer, "postgresql://notify:secret@127.0.0.1/notify").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LAPAK_SMTP", "127.0.0.1:25")
    monkeypatch.setenv("LAPAK_PUBLIC_URL", "https://pesan.example.go.id/")
    return monkeypatch


def test_without_providers_there_is_e_mail(setting: pytest.MonkeyPatch, sealer: Sealer) -> None:
    setting.delenv("LAPAK_PUBLIC_URL")
    made = providers(load(NotifySettings), sealer)
    assert [(one.name, one.channel) for one in made if not one.name.startswith("simulated")] == [("smtp", "email")]


def test_each_provider_that_is_named_is_made(setting: pytest.MonkeyPatch, sealer: Sealer) -> None:
    setting.setenv("LAPAK_PROVIDERS", json.dumps([WHATSAPP, TWILIO, VONAGE]))
    settings = load(NotifySettings)
    made = providers(settings, sealer)
    found = {one.name: one.channel for one in made if not one.name.startswith("simulated")}
    assert found == {"smtp": "email", "wa-main": "whatsapp", "sms-a": "sms", "sms-b": "sms"}
    assert [one.name for one in made if isinstance(one, Challenged)] == ["wa-main"]
    assert SECRET not in repr(settings) + repr(made)
    assert (settings.public_url, settings.providers[0].url) == (
        "https://pesan.example.go.id",
        "https://graph.facebook.com",
    )


def test_the_lease_of_an_attempt_outlasts_the_slowest_provider(setting: pytest.MonkeyPatch) -> None:
    slow = {**TWILIO, "connect_seconds": 20, "answer_seconds": 300}
    setting.setenv("LAPAK_PROVIDERS", json.dumps([WHATSAPP, slow]))
    pace = load(NotifySettings).pace()
    assert pace.sending_seconds > pace.hand_over_seconds + 320


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("{", "is not JSON"),
        ("7", "the whole:"),
        ([{**WHATSAPP, "adapter": "telegram"}], "0: names no adapter we have"),
        ([{name: WHATSAPP[name] for name in WHATSAPP if name != "token"}], "0.whatsapp.token: Field required"),
        ([WHATSAPP, {**TWILIO, "url": "ftp://x"}], "1.twilio.url: must be an http(s) address"),
        ([{**TWILIO, "name": "Sms A"}], "0.twilio.name: "),
        ([{**TWILIO, "lines": 0}], "0.twilio.lines: "),
        ([{**TWILIO, "tokn": "x"}], "0.twilio.tokn: "),
        ([TWILIO, {**VONAGE, "name": "sms-a"}], "names two providers alike"),
        ([{**TWILIO, "name": "smtp"}], "as our own ones are"),
        ([{**TWILIO, "name": "simulated-sms"}], "as our own ones are"),
    ],
)
def test_a_wrong_provider_is_named_and_its_secrets_are_not(
    setting: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], given: Any, said: str
) -> None:
    setting.setenv("LAPAK_PROVIDERS", given if isinstance(given, str) else json.dumps(given))
    with pytest.raises(SystemExit):
        load(NotifySettings)
    (line,) = [one for one in capsys.readouterr().err.splitlines() if "LAPAK_PROVIDERS:" in one]
    assert said in line
    assert SECRET not in line


@pytest.mark.parametrize("url", [None, "pesan.example.go.id", "https://x.test/?a=b"])
def test_providers_need_an_address_to_call_back(
    setting: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], url: str | None
) -> None:
    setting.setenv("LAPAK_PROVIDERS", json.dumps([TWILIO]))
    setting.delenv("LAPAK_PUBLIC_URL")
    if url is not None:
        setting.setenv("LAPAK_PUBLIC_URL", url)
    with pytest.raises(SystemExit):
        load(NotifySettings)
    assert "LAPAK_PUBLIC_URL:" in capsys.readouterr().err
