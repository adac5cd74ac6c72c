"""Settings of the training service."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, ValidationInfo, field_validator

from shared.settings import ServiceSettings


class TrainingSettings(ServiceSettings):
    """What training needs besides: what stands on certificates."""

    public_url: Annotated[
        str | None,
        Field(
            validate_default=True,
            description="address at which everybody reaches this service; printed on certificates, and the name of "
            "their issuer (did:web): never change it",
            examples=["https://pelatihan.example.go.id"],
        ),
    ] = None
    certificate_issuer: str = Field(
        default="Dinas PPKUKM Provinsi DKI Jakarta",
        min_length=1,
        max_length=120,
        description="in whose name certificates are given",
        examples=["Dinas PPKUKM Provinsi DKI Jakarta"],
    )

    @field_validator("public_url")
    @classmethod
    def _check_public_url(cls, value: str | None, info: ValidationInfo) -> str | None:
        development = info.data.get("development", False)
        if value is None:
            if not development:
                raise ValueError("is not set, and certificates would name no address")
            return None
        parts = urlsplit(value)
        if parts.scheme not in (("https", "http") if development else ("https",)) or not parts.netloc:
            raise ValueError("must be an https address")
        if parts.path.strip("/") or parts.query or parts.fragment or parts.username is not None:
            raise ValueError("must be a host, without a path: did:web and the public page stand at its root")
        return value.rstrip("/")

    @property
    def public_address(self) -> str:
        """Where everybody reaches this service; on a developer's machine where it listens."""
        return self.public_url or f"http://{self.http_host}:{self.http_port}"
