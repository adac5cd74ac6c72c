"""The edge of a request: who calls, when, and the door to the database. A route gets it as its argument."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request, Response
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase

from shared.auth import Caller, Verifier
from shared.http import idempotency
from shared.http.traffic import request_facts

if TYPE_CHECKING:
    from shared.db import Connection
    from shared.service import Platform

__all__ = ["Edge", "EdgeDep", "PublicEdge", "PublicEdgeDep", "edge", "public_edge", "replayed"]


@dataclass(frozen=True, slots=True)
class PublicEdge:
    """What a route that anyone may read gets."""

    request: Request
    platform: "Platform"
    now: datetime

    def read(self) -> "AbstractAsyncContextManager[Connection]":
        """A connection for reads."""
        return self.platform.database.read()


@dataclass(frozen=True, slots=True)
class Edge(PublicEdge):
    """What a route for known callers gets."""

    caller: Caller

    async def once(self, act: idempotency.Act, *, status: int = 200) -> Response:
        """Do this in one transaction, once for each `Idempotency-Key`, and answer with what `act` gives.

        `act` gives a model or a dict (answered as JSON with `status`) or None (an empty answer; 200 becomes 204). It
        is stored to be replayed, so it holds ids and codes, no personal data. Whatever `act` raises rolls back all; so
        does a request that was answered before, which acts too: what `act` left outside its transaction then is void
        (`replayed` tells).
        """
        return await idempotency.once(self.request, self.platform, self.caller.subject, self.now, act, status)


def replayed(answer: Response) -> bool:
    """Whether an answer of `Edge.once` is that of an earlier request."""
    return idempotency.REPLAYED in answer.headers


async def edge(request: Request) -> Edge:
    """The edge of a known caller; raises `Unauthenticated`."""
    verifier: Verifier = request.app.state.verifier
    caller = await verifier.caller(request.headers.get("authorization"))
    request_facts(request.scope).subject = caller.subject
    platform = _platform(request)
    return Edge(request, platform, platform.clock.now(), caller)


async def public_edge(request: Request) -> PublicEdge:
    """Dependency of routes that anyone may read."""
    platform = _platform(request)
    return PublicEdge(request, platform, platform.clock.now())


def _platform(request: Request) -> "Platform":
    platform: Platform = request.app.state.platform
    return platform


class _Bearer(SecurityBase):
    """Dependency of routes for known callers: to the OpenAPI document a bearer token, to the route its edge."""

    def __init__(self) -> None:
        self.scheme_name = "HTTPBearer"
        self.model = HTTPBearer(bearerFormat="JWT", description="`lapak token` makes one locally")

    async def __call__(self, request: Request) -> Edge:
        return await edge(request)


_bearer = _Bearer()
EDGES = frozenset({_bearer, public_edge})
"""The dependencies by which a route gets its edge."""
EdgeDep = Annotated[Edge, Depends(_bearer)]
PublicEdgeDep = Annotated[PublicEdge, Depends(public_edge)]
