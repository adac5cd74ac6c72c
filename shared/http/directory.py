"""The directory of routes: the few that an address can mean are found by its parts, not by asking every route."""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from starlette.routing import BaseRoute, Match, Route
from starlette.types import Receive, Scope, Send

__all__ = ["Directory"]

SKETCHES_KEPT = 4096
HEAD_PARTS = 3


class Directory(BaseRoute):
    """All routes of an application as one; the order among them counts as it does without it.

    FastAPI asks its routes one after another, and those of an included router twice: with 120 routes that takes longer
    than many an answer. Here a request asks only those with as many parts, the same beginning and the same end.
    """

    def __init__(self, routes: Sequence[BaseRoute]) -> None:
        self.routes = [route for route in routes if isinstance(route, Route)]
        if len(self.routes) < len(routes):
            raise TypeError("only routes with one path each can be listed: no mounts, no included routers")
        self._sketches = [_sketch(route.path) for route in self.routes]
        self._heads = {sketch.head for sketch in self._sketches}
        self._lasts = {sketch.last for sketch in self._sketches}
        self._near = lru_cache(SKETCHES_KEPT)(self._find)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """The first route that takes address and method; else the first that takes the address."""
        partial: tuple[Match, Scope] = Match.NONE, {}
        if scope["type"] != "http":
            return partial
        parts = scope["path"].split("/")
        head, last = "/".join(parts[:HEAD_PARTS]), parts[-1]
        near = self._near(len(parts), head if head in self._heads else None, last if last in self._lasts else None)
        for route in near:
            match, child_scope = route.matches(scope)
            if match is not Match.NONE:
                child_scope["route"] = route
            if match is Match.FULL:
                return match, child_scope
            if match is Match.PARTIAL and partial[0] is Match.NONE:
                partial = match, child_scope
        return partial

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve with the route that was found."""
        await scope["route"].handle(scope, receive, send)

    def _find(self, parts: int, head: str | None, last: str | None) -> list[Route]:
        return [
            route
            for route, known in zip(self.routes, self._sketches, strict=True)
            if known.parts in (None, parts) and known.head in (None, head) and known.last in (None, last)
        ]


class _Sketch(NamedTuple):
    """What of a path is fixed: how many parts, how it begins, how it ends; None where a parameter leaves it open."""

    parts: int | None
    head: str | None
    last: str | None


def _sketch(path: str) -> _Sketch:
    parts = path.split("/")
    head, last = "/".join(parts[:HEAD_PARTS]), parts[-1]
    return _Sketch(
        None if ":path}" in path else len(parts),
        None if "{" in head else head,
        None if "{" in last else last,
    )
