"""Misbehaviour on purpose: what may go wrong with a message and with what is reported of it."""

from __future__ import annotations

import hashlib
from random import Random
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from deploy.local.providers.messages import Step

__all__ = ["Fate", "Faults", "ProviderName", "journey"]

ProviderName: TypeAlias = Literal["whatsapp", "twilio", "vonage"]
Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]
Milliseconds: TypeAlias = Annotated[int, Field(ge=0, le=3_600_000)]
Fate: TypeAlias = Literal["answer", "time-out", "cut"]


class Faults(BaseModel):
    """How one provider behaves; the default is to be well. Shares are of messages, drawn from `seed` in turn."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = 0
    down: bool = Field(default=False, description="503 to everything")
    delay_ms: Milliseconds = Field(default=0, description="wait before every answer")
    cut_before: Share = Field(default=0.0, description="not taken, the connection cut")
    broken_before: Share = Field(default=0.0, description="not taken, 500")
    errors: dict[int, Share] = Field(default={}, description="not taken, refused with this code of the provider")
    time_out: Share = Field(default=0.0, description="taken, never answered")
    cut_after: Share = Field(default=0.0, description="taken, the connection cut without an answer")
    failures: dict[int, Share] = Field(default={}, description="taken, later reported as failed with this code")
    unknown_numbers: Share = Field(default=0.0, description="of all people, always the same: no such number")

    receipts: bool = Field(default=True, description="false: nothing is ever reported")
    sent_ms: Milliseconds = 20
    delivered_ms: Milliseconds = 100
    read_ms: Milliseconds = 1000
    read: Share = Field(default=0.5, description="of the messages delivered (WhatsApp)")
    lost: Share = Field(default=0.0, description="of the reports: never come")
    doubled: Share = Field(default=0.0, description="of the reports: come twice")
    late: Share = Field(default=0.0, description="of the reports: come `late_ms` later")
    late_ms: Milliseconds = 5000
    shuffled: Share = Field(default=0.0, description="reports come in the wrong order")
    failed_after_delivered: Share = Field(default=0.0, description="a lie: failed, after it was delivered")
    delivered_unsent: Share = Field(default=0.0, description="a lie: with it, another is reported that nobody sent")

    @property
    def harmless(self) -> bool:
        """Whether every message is taken and answered for at once."""
        return not (
            self.down
            or self.delay_ms
            or self.cut_before
            or self.broken_before
            or self.errors
            or self.time_out
            or self.cut_after
        )

    def not_reached(self, person: str) -> bool:
        """Whether this person's number is one of the unknown ones."""
        if not self.unknown_numbers:
            return False
        drawn = int.from_bytes(hashlib.sha256(f"{self.seed}:{person}".encode()).digest()[:4], "big") / 2**32
        return drawn < self.unknown_numbers

    def fate(self, dice: Random) -> Fate:
        """What the sender hears of a message that was taken."""
        if self.time_out and dice.random() < self.time_out:
            return "time-out"
        if self.cut_after and dice.random() < self.cut_after:
            return "cut"
        return "answer"


def drawn(shares: dict[int, float], dice: Random) -> int | None:
    """One of the codes by its share, or none."""
    for code, share in shares.items():
        if dice.random() < share:
            return code
    return None


def journey(faults: Faults, dice: Random, *, failure: int | None, reads: bool, now: float) -> list[Step]:
    """What becomes of a message, step by step, as it will be known at the provider: sent, delivered, read or failed."""
    sent = Step("sent", now + faults.sent_ms / 1000)
    if failure is not None:
        return [Step("failed", now + faults.delivered_ms / 1000, failure)]
    steps = [sent, Step("delivered", now + faults.delivered_ms / 1000)]
    if reads and faults.read and dice.random() < faults.read:
        steps.append(Step("read", now + faults.read_ms / 1000))
    return steps


def reported(faults: Faults, dice: Random, steps: list[Step]) -> list[Step]:
    """What is told of these steps, and when: not always the truth."""
    if not faults.receipts:
        return []
    told = steps
    if faults.shuffled and dice.random() < faults.shuffled:
        moments = [step.due for step in steps][::-1]
        told = [Step(step.status, due, step.code) for step, due in zip(steps, moments, strict=True)]
    if faults.failed_after_delivered and dice.random() < faults.failed_after_delivered:
        told = [*told, Step("failed", told[-1].due + 0.05, None)]
    if not (faults.lost or faults.doubled or faults.late):
        return told
    come: list[Step] = []
    for step in told:
        if dice.random() < faults.lost:
            continue
        due = step.due + (faults.late_ms / 1000 if dice.random() < faults.late else 0.0)
        come.append(Step(step.status, due, step.code))
        if dice.random() < faults.doubled:
            come.append(Step(step.status, due + 0.05, step.code))
    return come
