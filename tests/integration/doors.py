"""What the tests of doors share: who calls, a table of routes with those they open to, and the knocking.

A service's table names every route and who it opens to. Those who are refused knock before those who are let in, at the
same thing, so that a refusal is about rights and not about a thing that is missing.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import httpx
from fastapi import APIRouter
from fastapi.routing import APIRoute

from shared.auth import LocalIssuer
from shared.service import Service

CALLERS = (
    "nobody",
    "newcomer",
    "itself",
    "another vendor",
    "officer",
    "officer elsewhere",
    "officer of nowhere",
    "registrar",
    "registrar elsewhere",
    "vendor and officer elsewhere",
    "service",
    "operator",
)
"""`itself` is the vendor that the call is about, in Central Jakarta; `elsewhere` is North Jakarta."""
HERE = frozenset({"officer", "registrar"})
ELSEWHERE = frozenset({"officer elsewhere", "registrar elsewhere", "vendor and officer elsewhere"})
OFFICERS = HERE | ELSEWHERE
OWN = HERE | {"itself"}
REGISTRARS = frozenset({"registrar", "registrar elsewhere"})
SIGNED = frozenset(CALLERS) - {"nobody"}
EVERYBODY = frozenset(CALLERS)
ITSELF, REGISTRAR = frozenset({"itself"}), frozenset({"registrar"})
SERVICE, OPERATOR = frozenset({"service"}), frozenset({"operator"})

REFUSALS = (401, 403, 404)


@dataclass(kw_only=True)
class World:
    """A service with something behind each door; `ids` fill the addresses, and name the vendors that call."""

    client: httpx.AsyncClient
    issuer: LocalIssuer
    ids: dict[str, str] = field(default_factory=dict)

    def token(self, caller: str, itself: str) -> str | None:
        """The token of a caller; `itself` is the vendor the call is about."""
        issuer = self.issuer

        def vendor(name: str) -> str:
            return issuer.token(f"vendor-{name}", ["vendor"], vendor_id=UUID(name))

        tokens: dict[str, Callable[[], str]] = {
            "newcomer": lambda: issuer.token("newcomer", ["vendor"]),
            "itself": lambda: vendor(itself),
            "another vendor": lambda: vendor(self.ids["another"]),
            "officer": lambda: issuer.token("officer-31.71", ["officer"], area="31.71"),
            "officer elsewhere": lambda: issuer.token("officer-31.72", ["officer"], area="31.72"),
            "officer of nowhere": lambda: issuer.token("officer-nowhere", ["officer", "registrar"]),
            "registrar": lambda: issuer.token("registrar", ["officer", "registrar"], area="31.71"),
            "registrar elsewhere": lambda: issuer.token("registrar-n", ["officer", "registrar"], area="31.72"),
            "vendor and officer elsewhere": lambda: issuer.token(
                "both", ["vendor", "officer"], area="31.72", vendor_id=UUID(self.ids["elsewhere"])
            ),
            "service": lambda: issuer.token("service", ["service"]),
            "operator": lambda: issuer.token("operator", ["operator"]),
        }
        return None if caller == "nobody" else tokens[caller]()


@dataclass(frozen=True)
class Door:
    """A route, or one way to use it; who gets in; to whom it shows personal data in full."""

    route: str
    opens: frozenset[str]
    body: dict[str, Any] | Callable[[Any], dict[str, Any]] | None = None
    params: dict[str, str] = field(default_factory=dict)
    form: dict[str, str] | None = None
    file: bytes | Callable[[Any], bytes] = b""
    mail: bytes = b""
    """A body that is a mail, as it came."""
    shows: frozenset[str] = frozenset()
    at: dict[str, str] = field(default_factory=dict)
    """Place in the address -> what of the world stands there, if it is not what has that name."""
    fresh: str = ""
    """What of the world is made anew for it: calls that are let in use it up."""
    hides: bool = False
    """Whether nobody is told that there is nothing, rather than to say who calls."""

    @property
    def method(self) -> str:
        """Of HTTP."""
        return self.route.partition(" ")[0]

    @property
    def public(self) -> bool:
        """Whether a token is not even asked for."""
        return "nobody" in self.opens

    def names(self, world: World) -> dict[str, str]:
        """What fills the address and the parameters of this door."""
        return {**world.ids, **{place: world.ids.get(name, name) for place, name in self.at.items()}}


def of_area(route: str, more: frozenset[str] = frozenset(), **door: Any) -> Iterator[Door]:
    """A list of the officer's own area, and the same asked for the area of the vendor."""
    params = door.pop("params", {})
    yield Door(route, OFFICERS | more, params=params, **door)
    yield Door(route, HERE | more, params={**params, "area": "31.71"}, **door)


def about(**more: Any) -> Callable[[World], dict[str, Any]]:
    """A body in which `@name` stands for an id of the world."""
    return lambda world: json.loads(re.sub("@(\\w+)", lambda found: world.ids[found[1]], json.dumps(more)))


async def send(
    client: httpx.AsyncClient,
    path: str,
    token: str | None,
    fields: dict[str, str],
    content: bytes,
    params: dict[str, str] | None = None,
) -> httpx.Response:
    """POST a form, with a file if there is one."""
    headers = {"Idempotency-Key": str(uuid4())} | ({} if token is None else {"Authorization": f"Bearer {token}"})
    files = {"file": ("berkas", content)} if content else None
    return await client.post(path, data=fields, files=files, headers=headers, params=params)


async def knock(world: World, door: Door, caller: str) -> httpx.Response:
    """Call a door as somebody."""
    ids = door.names(world)
    token = world.token(caller, ids["vendor_id"])
    path = door.route.partition(" ")[2].format(**ids)
    params = {name: ids.get(value.removeprefix("@"), value) for name, value in door.params.items()}
    if door.file or door.form is not None:
        content = door.file(world) if callable(door.file) else door.file
        return await send(world.client, path, token, door.form or {}, content, params)
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    if door.method == "GET":
        return await world.client.get(path, params=params, headers=headers)
    headers["Idempotency-Key"] = str(uuid4())
    if door.mail:
        headers["Content-Type"] = "message/rfc822"
        return await world.client.post(path, content=door.mail, headers=headers)
    body = door.body(world) if callable(door.body) else door.body
    return await world.client.request(door.method, path, json=body, headers=headers, params=params)


def wrong_status(door: Door, caller: str, answer: httpx.Response) -> str | None:
    """What is wrong with who was let in, if anything is."""
    if caller in door.opens:
        good = answer.status_code < 400 or (door.method == "POST" and answer.status_code == 409)
        return None if good else "is kept out"
    if caller == "nobody":
        return None if answer.status_code == (404 if door.hides else 401) else "need not say who calls"
    return None if answer.status_code in REFUSALS else "is let in"


def routes(create: Callable[[], Service], routers: Iterable[APIRouter]) -> set[str]:
    """Every route of a service: those of its document, and those of these routers that are in none."""
    documented = {
        f"{method.upper()} {path}"
        for path, operations in create().app().openapi()["paths"].items()
        for method in operations
    }
    hidden = {
        f"{method} {route.path_format}"
        for router in routers
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }
    return documented | hidden
