"""Settings: a wrong or missing one ends the start with its name, what is wrong and an example; no secret is shown."""

import base64
import json
from pathlib import Path

import pytest
from pydantic import Field

from shared.settings import EXIT_WRONG_SETTINGS, ServiceSettings, load

KEY = base64.b64encode(b"k" * 32).decode()


@pytest.fixture(autouse=True)
def good(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, str]:
    """An environment with every needed variable."""
    jwks = tmp_path / "jwks.json"
    jwks.write_text("{}")
    variables = {
        "LAPAK_DATABASE": "postgresql://vendor:hunter2@127.0.0.1:5432/vendor",
        "LAPAK_KAFKA": "127.0.0.1:9092,127.0.0.1:9093",
        "LAPAK_HTTP_PORT": "8101",
        "LAPAK_JWKS": str(jwks),
        "LAPAK_TOKEN_ISSUER": "lapak-local",
        "LAPAK_SECRET_KEYS": json.dumps({"k2": KEY, "k1": KEY}),
    }
    for name in ServiceSettings.model_fields:
        monkeypatch.delenv("LAPAK_" + name.upper(), raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return variables


def refused(capsys: pytest.CaptureFixture[str], cls: type[ServiceSettings] = ServiceSettings) -> list[str]:
    with pytest.raises(SystemExit) as caught:
        load(cls)
    assert caught.value.code == EXIT_WRONG_SETTINGS
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err.splitlines()


def test_good_settings_are_read() -> None:
    settings = load(ServiceSettings)
    assert settings.http_port == 8101
    assert list(settings.secret_keys) == ["k2", "k1"], "the first key is the current one"
    assert (settings.http_host, settings.pool_size, settings.trace_sample) == ("127.0.0.1", 10, 1.0)
    assert settings.clock_file is None


def test_every_missing_variable_gets_one_line_with_an_example(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], good: dict[str, str]
) -> None:
    for name in good:
        monkeypatch.delenv(name)
    lines = refused(capsys)
    assert sorted(line.split(":")[0] for line in lines) == sorted(good)
    assert all("is not set" in line and f"Example: {line.split(':')[0]}=" in line for line in lines)


def test_an_empty_variable_counts_as_not_set(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LAPAK_KAFKA", "")
    [line] = refused(capsys)
    assert line.startswith("LAPAK_KAFKA: is not set")


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("LAPAK_DATABASE", "mysql://h/d", "must look like postgresql://"),
        ("LAPAK_DATABASE", "postgresql://h", "must look like postgresql://"),
        ("LAPAK_KAFKA", "localhost", "each address must be host:port"),
        ("LAPAK_KAFKA", "localhost:9092,", "each address must be host:port"),
        ("LAPAK_KAFKA", "localhost:70000", "each address must be host:port"),
        ("LAPAK_HTTP_PORT", "http", "valid integer"),
        ("LAPAK_HTTP_PORT", "65536", "less than or equal to 65535"),
        ("LAPAK_HTTP_IN_FLIGHT_MAX", "0", "greater than or equal to 1"),
        ("LAPAK_JWKS", "/nowhere/jwks.json", "neither an http(s) address nor a file that exists"),
        ("LAPAK_JWKS", "ftp://keys", "must be an http(s) address or the path of a file"),
        ("LAPAK_TRACE_SAMPLE", "1.1", "less than or equal to 1"),
        ("LAPAK_LOG_LEVEL", "LOUD", "'DEBUG', 'INFO', 'WARNING' or 'ERROR'"),
        ("LAPAK_OTLP_ENDPOINT", "collector:4318", "must be an http(s) address"),
        ("LAPAK_DEVELOPMENT", "perhaps", "valid boolean"),
        ("LAPAK_POOL_SIZE", "0", "greater than or equal to 1"),
        ("LAPAK_SECRET_KEYS", "k1=abc", "is not JSON"),
        ("LAPAK_SECRET_KEYS", "[]", "valid dictionary"),
        ("LAPAK_SECRET_KEYS", "{}", "names no key"),
        ("LAPAK_SECRET_KEYS", '{"k1": "!!"}', "key 'k1' is not base64"),
        ("LAPAK_SECRET_KEYS", '{"k1": "' + base64.b64encode(b"x" * 31).decode() + '"}', "has 31 bytes; 32 are needed"),
        ("LAPAK_SECRET_KEYS", '{"k1": "' + base64.b64encode(b"x" * 33).decode() + '"}', "has 33 bytes; 32 are needed"),
        ("LAPAK_SECRET_KEYS", '{"": "' + KEY + '"}', "a key id must have 1 to 255 bytes"),
    ],
)
def test_a_wrong_variable_is_named_with_the_reason_and_an_example(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str, reason: str
) -> None:
    monkeypatch.setenv(name, value)
    [line] = refused(capsys)
    assert line.startswith(f"{name}: ")
    assert reason in line
    assert f"Example: {name}=" in line


def test_a_development_clock_needs_development(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("LAPAK_CLOCK_FILE", str(tmp_path / "clock"))
    [line] = refused(capsys)
    assert line.startswith("LAPAK_CLOCK_FILE: needs LAPAK_DEVELOPMENT=true")
    monkeypatch.setenv("LAPAK_DEVELOPMENT", "true")
    assert load(ServiceSettings).clock_file == tmp_path / "clock"


def test_no_secret_is_shown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert "hunter2" not in repr(load(ServiceSettings))
    assert KEY not in str(load(ServiceSettings))
    monkeypatch.setenv("LAPAK_DATABASE", "mysql://vendor:hunter2@h/d")
    monkeypatch.setenv("LAPAK_SECRET_KEYS", json.dumps({"k1": "c2VjcmV0", "k2": KEY}))
    lines = "\n".join(refused(capsys))
    assert "hunter2" not in lines
    assert "c2VjcmV0" not in lines
    assert KEY not in lines


def test_a_services_own_setting_is_named_alike(capsys: pytest.CaptureFixture[str]) -> None:
    class NotifySettings(ServiceSettings):
        smtp: str = Field(description="mail server, host:port", examples=["127.0.0.1:1025"])

    [line] = refused(capsys, NotifySettings)
    assert line == "LAPAK_SMTP: is not set (mail server, host:port). Example: LAPAK_SMTP=127.0.0.1:1025"
