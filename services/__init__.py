"""The four services of Lapak. They never import each other: they speak through `shared.events`."""

__all__ = ["SERVICES"]

SERVICES = ("vendor", "bazaar", "training", "notify")
