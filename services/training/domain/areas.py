"""Areas by official code: 31 > 31.71 > 31.71.02 > 31.71.02.1002; an area contains another when its code leads it."""

__all__ = ["covers"]


def covers(area: str, code: str) -> bool:
    """Whether an area is the other or contains it."""
    return code == area or code.startswith(area + ".")
