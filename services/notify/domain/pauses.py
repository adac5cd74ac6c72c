"""A template is paused, because its words are wrong: nothing of it leaves until it is resumed. Pure."""

from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from shared.errors import Refused

__all__ = ["PauseReason", "PauseTemplate", "ResumeReason", "ResumeTemplate", "TemplateStands"]

PauseReason: TypeAlias = Literal["wrong-text", "wrong-recipients", "complaints", "cost", "test", "other"]
ResumeReason: TypeAlias = Literal["text-mended", "settled", "test", "other"]


class PauseTemplate(BaseModel):
    """Nothing of this template leaves until it is resumed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: PauseReason = Field(description="why; it is kept with who said it, and published")


class ResumeTemplate(BaseModel):
    """What was held back leaves, if it is not worthless by now."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: ResumeReason = Field(description="why; kept with who said it")
    words: Literal["current", "planned"] = Field(
        default="current",
        description="Of what was held: `current`, it leaves with the version in use now; `planned`, with the one it "
        "was planned with. Messages of broadcasts keep the version that was approved",
    )


class TemplateStands(Refused):
    """The template is paused already, or is not paused."""

    code = "template-stands"
