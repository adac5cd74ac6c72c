"""Settings of a service: environment variables `LAPAK_*`, checked at start; a wrong one is named."""

import base64
import binascii
import json
import sys
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, ValidationInfo, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from shared import dsn

__all__ = ["EXIT_WRONG_SETTINGS", "SecretKeys", "ServiceSettings", "complaints", "load"]

EXIT_WRONG_SETTINGS = 2
PREFIX = "LAPAK_"
SECRET_KEY_BYTES = 32


def _read_secret_keys(value: Any) -> Any:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except json.JSONDecodeError:
            raise ValueError("is not JSON") from None
    return value


def _check_secret_keys(value: dict[str, str]) -> dict[str, str]:
    if not value:
        raise ValueError("names no key; one is needed")
    for key_id, text in value.items():
        if not 0 < len(key_id.encode()) < 256:
            raise ValueError("a key id must have 1 to 255 bytes")
        try:
            size = len(base64.b64decode(text, validate=True))
        except binascii.Error:
            raise ValueError(f"key {key_id!r} is not base64") from None
        if size != SECRET_KEY_BYTES:
            raise ValueError(f"key {key_id!r} has {size} bytes; {SECRET_KEY_BYTES} are needed")
    return value


SecretKeys = Annotated[dict[str, str], BeforeValidator(_read_secret_keys), AfterValidator(_check_secret_keys)]
"""Key id -> base64 of 32 bytes, current first; also as JSON."""


class ServiceSettings(BaseSettings):
    """What every service needs. A service adds fields in a subclass, with a description and an example.

    Values that are secret (`database`, `secret_keys`) are left out of `repr` and of every message.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True, env_ignore_empty=True
    )

    database: str = Field(
        repr=False,
        description="address of the service's own PostgreSQL database",
        examples=["postgresql://vendor:password@127.0.0.1:5432/vendor"],
    )
    kafka: str = Field(
        description="addresses of Kafka brokers, host:port, several separated by commas",
        examples=["127.0.0.1:9092"],
    )
    http_host: str = Field(default="127.0.0.1", description="address the HTTP server listens on", examples=["0.0.0.0"])
    http_port: int = Field(
        ge=0,
        le=65535,
        description="port the HTTP server listens on; 0: any",
        examples=["8101"],
    )
    http_in_flight_max: int = Field(
        default=48, ge=1, description="requests served at once; more are answered 429", examples=["48"]
    )
    jwks: str = Field(
        description="public keys that sign tokens: an http(s) address, or a local file",
        examples=["https://id.example.go.id/realms/lapak/protocol/openid-connect/certs"],
    )
    token_issuer: str = Field(
        min_length=1,
        description="the `iss` a token must carry",
        examples=["https://id.example.go.id/realms/lapak"],
    )
    token_audience: str = Field(
        default="lapak", min_length=1, description="the `aud` a token must carry", examples=["lapak"]
    )
    secret_keys: Annotated[SecretKeys, NoDecode] = Field(
        repr=False,
        description="keys that seal personal data: JSON of key id to base64 of 32 bytes, current first",
        examples=['{"k1":"<output of: openssl rand -base64 32>"}'],
    )
    development: bool = Field(default=False, description="true on a developer's machine", examples=["true"])
    clock_file: Path | None = Field(
        default=None,
        description="file with the moment of the development clock",
        examples=["var/clock"],
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="least severe log lines that are written", examples=["INFO"]
    )
    otlp_endpoint: str | None = Field(
        default=None,
        description="OTLP/HTTP collector that receives traces",
        examples=["http://127.0.0.1:4318"],
    )
    trace_sample: float = Field(
        default=1.0, ge=0, le=1, description="share of traces recorded, 0 to 1", examples=["0.1"]
    )
    pool_size: int = Field(default=10, ge=1, le=200, description="database connections of one process", examples=["10"])

    @field_validator("database")
    @classmethod
    def _check_database(cls, value: str) -> str:
        return dsn.checked(value)

    @field_validator("kafka")
    @classmethod
    def _check_kafka(cls, value: str) -> str:
        for address in value.split(","):
            host, _, port = address.strip().rpartition(":")
            if not host or not port.isdigit() or not 0 < int(port) <= 65535:
                raise ValueError("each address must be host:port")
        return value

    @field_validator("jwks")
    @classmethod
    def _check_jwks(cls, value: str) -> str:
        if "://" in value:
            parts = urlsplit(value)
            if parts.scheme not in ("https", "http") or not parts.netloc:
                raise ValueError("must be an http(s) address or the path of a file")
        elif not Path(value).is_file():
            raise ValueError("is neither an http(s) address nor a file that exists")
        return value

    @field_validator("otlp_endpoint")
    @classmethod
    def _check_collector(cls, value: str | None) -> str | None:
        if value is not None and urlsplit(value).scheme not in ("https", "http"):
            raise ValueError("must be an http(s) address")
        return value

    @field_validator("clock_file")
    @classmethod
    def _check_clock_file(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if value is not None and not info.data.get("development", False):
            raise ValueError("needs LAPAK_DEVELOPMENT=true; a deployment uses the system's clock")
        return value


S = TypeVar("S", bound=ServiceSettings)


def load(cls: type[S]) -> S:
    """Read the settings from the environment.

    Wrong or missing ones end the process with code 2, after one line for each on stderr: the variable, what is
    wrong, and an example.
    """
    try:
        return cls()
    except ValidationError as error:
        for line in complaints(cls, error):
            sys.stderr.write(line + "\n")
        raise SystemExit(EXIT_WRONG_SETTINGS) from None


def complaints(cls: type[ServiceSettings], error: ValidationError) -> list[str]:
    """One line for each wrong variable; no line holds a value."""
    lines: dict[str, str] = {}
    for fault in error.errors(include_url=False, include_context=False, include_input=False):
        name = str(fault["loc"][0])
        if name in lines:
            continue
        reason = "is not set" if fault["type"] == "missing" else fault["msg"].removeprefix("Value error, ")
        lines[name] = _complaint(name, reason, cls.model_fields.get(name))
    return list(lines.values())


def _complaint(name: str, reason: str, field: FieldInfo | None) -> str:
    variable = PREFIX + name.upper()
    meaning = f" ({field.description})" if field is not None and field.description else ""
    example = f" Example: {variable}={field.examples[0]}" if field is not None and field.examples else ""
    return f"{variable}: {reason}{meaning}.{example}"
