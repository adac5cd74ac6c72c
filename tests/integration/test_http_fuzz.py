"""Every operation of every service is called with what its OpenAPI allows and what it does not: no fault, no leak."""

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from importlib import import_module
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import schemathesis
import schemathesis.specs.openapi.schemas  # here, for parsing in two threads at once fails (CPython issue 106905)
import uvicorn
from fastapi import APIRouter, Response
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode

from shared.auth import LocalIssuer
from shared.crypto import Sealer
from shared.service import Platform
from tests.conftest import FreshDatabase, MakeDatabase, StandingClock, environment
from tests.integration.backbone import until
from tests.integration.vendor import nik

EXAMPLES = {"GET": 3, "POST": 6, "PUT": 6}
"""Per operation, mode and caller; derandomized, so that a finding can be had again. A GET has an address and a few
parameters, each tried for itself; a POST or PUT a body beside them.
"""
HIDDEN = {
    "nik": nik(77_001),
    "name": "Zubaidah Rahasia Sekali",
    "phone": "081288877766",
    "email": "zubaidah.rahasia@contoh.id",
    "street": "Gang Tersembunyi 77",
}
INTERNALS = ("Traceback", "asyncpg", "SELECT ", "INSERT ", "psycopg", "/shared/", "pydantic")


@asynccontextmanager
async def served(
    name: str, fresh: FreshDatabase, issuer: LocalIssuer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[str]:
    """A service without Kafka on a real port; its address."""
    for variable, value in environment(issuer, fresh.dsn).items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setenv("LAPAK_SMTP", "127.0.0.1:1")
    service = import_module(f"services.{name}.app").create()
    app = service.app()
    sealer = Sealer(service.settings.secret_keys)
    app.state.platform = Platform(name, service.settings, fresh.database, StandingClock(), sealer)
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None, access_log=False))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        running = asyncio.create_task(server.serve(sockets=[listening]))

        async def started() -> bool:
            return server.started

        await until(started)
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            await running


async def hide_somebody(url: str, issuer: LocalIssuer) -> UUID:
    """Register a person in North Jakarta, whom none of the callers below may know."""
    token = issuer.token("officer-north", ["officer"], area="31.72")
    async with httpx.AsyncClient(base_url=url) as client:
        answer = await client.post(
            "/v1/vendors",
            json={**HIDDEN, "kelurahan": "31.72.01.1001", "rw": "001", "rt": "001"},
            headers={"Authorization": f"Bearer {token}", "Idempotency-Key": str(uuid4())},
        )
    assert answer.status_code == 201, answer.text
    return UUID(answer.json()["vendor_id"])


def attack(url: str, tokens: dict[str, str], hidden: UUID | None) -> tuple[list[str], Counter[int]]:
    """Call every operation as every caller: what went wrong, a line each, and how often each status was answered.

    Blocks: run it in a thread.
    """
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    found: list[str] = []
    answered: Counter[int] = Counter()
    secrets = [*HIDDEN.values(), f"+62{HIDDEN['phone'][1:]}"] if hidden else []

    def check(caller: str, case: Any) -> None:
        headers = {"Authorization": f"Bearer {tokens[caller]}"}
        if case.method == "POST":
            headers["Idempotency-Key"] = str(uuid4())
        answer = case.call(headers=headers, timeout=20)
        answered[answer.status_code] += 1
        text = answer.text or ""
        what = f"{case.method} {case.path} as {caller}: {answer.status_code}"
        if answer.status_code >= 500 and answer.status_code != 503:
            found.append(f"{what} {text[:300]}; sent {case.path_parameters} {case.query} {case.body!r:.300}")
        documented = case.operation.definition.raw["responses"]
        if answer.status_code < 400 and str(answer.status_code) not in documented:
            found.append(f"{what} is in no document, which says {', '.join(documented)}")
        if answer.status_code >= 400 and "json" not in str(answer.headers.get("content-type")):
            found.append(f"{what} is no problem+json: {answer.headers.get('content-type')}")
        found.extend(f"{what} tells of its insides: {word}" for word in INTERNALS if word in text)
        found.extend(f"{what} leaks {secret}" for secret in secrets if secret in text)

    for result in schema.get_all_operations():
        assert isinstance(result, Ok), f"an operation's contract is no OpenAPI: {result}"
        operation = result.ok()
        if not operation.path.startswith("/v1/"):
            continue
        names = {parameter.name for parameter in operation.path_parameters}
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            strategy = operation.as_strategy(generation_mode=mode)
            for caller in tokens:
                _search(operation.method, strategy, partial(check, caller))
        if hidden is not None and "vendor_id" in names:

            def aimed(caller: str, case: Any) -> None:
                case.path_parameters = {**case.path_parameters, "vendor_id": str(hidden)}
                check(caller, case)

            for caller in tokens:
                _search(operation.method, operation.as_strategy(), partial(aimed, caller))
    return found, answered


def _search(method: str, strategy: Any, act: Callable[[Any], None]) -> None:
    @settings(
        max_examples=EXAMPLES[method.upper()],
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def run(data: Any) -> None:
        act(data.draw(strategy))

    with suppress(Unsatisfiable):  # an operation without parameters cannot be called wrongly
        run()


@pytest.mark.parametrize("name", ["vendor", "bazaar", "training", "notify"])
async def test_no_call_makes_a_fault_or_tells_what_it_must_not(
    name: str, make_database: MakeDatabase, issuer: LocalIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = await make_database(name)
    async with served(name, fresh, issuer, monkeypatch) as url:
        hidden = await hide_somebody(url, issuer) if name == "vendor" else None
        tokens = {
            "officer of another area": issuer.token("officer-central", ["officer", "registrar"], area="31.71"),
            "another vendor": issuer.token("vendor-1", ["vendor"], vendor_id=uuid4()),
        }
        if name == "notify":  # most of its doors open to operators only: what they send must make no fault either
            tokens["operator"] = issuer.token("operator-1", ["operator"])
        found, answered = await asyncio.to_thread(attack, url, tokens, hidden)
    assert not found, "\n".join(found[:20])
    assert {200, 404, 422} <= answered.keys(), "the calls did not reach the routes"


async def test_a_planted_fault_and_a_planted_leak_are_found(
    make_database: MakeDatabase, issuer: LocalIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = await make_database("vendor")
    planted = APIRouter()

    @planted.get("/v1/planted/{number}")
    async def fail(number: int) -> Response:
        return Response(status_code=500 if number else 200)

    @planted.get("/v1/gossip")
    async def gossip() -> dict[str, str]:
        return {"name": HIDDEN["name"]}

    monkeypatch.setattr("services.vendor.app.ROUTERS", [planted])
    async with served("vendor", fresh, issuer, monkeypatch) as url:
        found, _ = await asyncio.to_thread(attack, url, {"anybody": "x"}, uuid4())
    assert any("/v1/planted/{number}" in line and "500" in line for line in found)
    assert any("/v1/gossip" in line and "leaks" in line for line in found)
