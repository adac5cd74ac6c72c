"""The completion rule: how much of a class a trainee attends at least to complete it."""

from collections.abc import Mapping
from typing import Literal, TypeAlias

COMPLETION_RULE = 1
"""Version of the completion rule that classes opened from now on carry."""

ATTENDANCE_PERCENT_MIN: Mapping[int, int] = {1: 80}
"""Completion rules by version: the share of its class's sessions a trainee attends at least, in percent."""

Result: TypeAlias = Literal["completed", "not-completed"]


def completes(rule: int, attended: int, sessions: int) -> bool:
    """The completion rule, in whole numbers: attended * 100 >= percent * sessions. No rounding decides."""
    return attended * 100 >= ATTENDANCE_PERCENT_MIN[rule] * sessions
