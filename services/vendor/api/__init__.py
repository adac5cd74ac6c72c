"""HTTP routes of the registry, thin: who may, then the handler; what is read, as JSON."""

from services.vendor.api import imports, sources, vendors

__all__ = ["ROUTERS"]

# a path of its own stands before the one with an id in its place
ROUTERS = [imports.router, vendors.router, sources.router]
