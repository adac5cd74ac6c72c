"""Policies by name: define one, and look one up for a bazaar that names it."""

from datetime import datetime

from services.bazaar.domain import policies as domain
from services.bazaar.domain.bazaar import DraftBazaar
from services.bazaar.domain.policies import DefinePolicy, NamedPolicy, PolicyUnknown
from services.bazaar.domain.policy import PolicyReference
from services.bazaar.store import policies as store
from shared.db import Connection
from shared.errors import Conflict


async def define_policy(conn: Connection, command: DefinePolicy, created_by: str, *, now: datetime) -> int:
    """A new policy, or the next version of one of the same area; its version."""
    latest = await store.find_policy(conn, command.code, None)
    if latest is not None:
        domain.require_same_area(latest, command)
    version = 1 if latest is None else latest.version + 1
    if not await store.add_policy(conn, command, version, created_by, now=now):
        raise Conflict("Somebody else has just added a version of this policy; look at it, then try again.")
    return version


async def look_up(conn: Connection, reference: PolicyReference) -> NamedPolicy:
    """The policy of this name. Raises `PolicyUnknown`."""
    found = await store.find_policy(conn, reference.code, reference.version)
    if found is None:
        raise PolicyUnknown(
            f"policy: there is no policy {reference.code!r}"
            + (f" in version {reference.version}." if reference.version else "; GET /v1/policies lists them.")
        )
    return found


async def settle_policy(conn: Connection, command: DraftBazaar) -> tuple[DraftBazaar, NamedPolicy | None]:
    """The description of a bazaar with its policy as a document; and the policy that it named."""
    if not isinstance(command.policy, PolicyReference):
        return command, None
    found = await look_up(conn, command.policy)
    return domain.set_up_with(command, found.document), found
