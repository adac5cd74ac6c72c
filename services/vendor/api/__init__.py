"""HTTP routes of the registry, thin: who may, then the handler; what is read, as JSON."""

from services.vendor.api import (
    affiliations,
    areas,
    audit,
    coaching,
    consents,
    corrections,
    documents,
    duplicates,
    eligibility,
    erasure,
    exports,
    imports,
    indicators,
    invitations,
    issues,
    partners,
    products,
    programme,
    sources,
    suspension,
    vendors,
)

__all__ = ["ROUTERS"]

# a path of its own stands before the one with an id in its place
ROUTERS = [
    imports.router,
    products.router,
    indicators.router,
    suspension.router,
    eligibility.router,
    exports.router,
    vendors.router,
    areas.router,
    audit.router,
    documents.router,
    sources.router,
    corrections.router,
    consents.router,
    erasure.router,
    duplicates.router,
    programme.router,
    coaching.router,
    affiliations.router,
    partners.router,
    issues.router,
    invitations.router,
]
