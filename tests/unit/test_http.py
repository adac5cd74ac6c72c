"""The HTTP edge: problems, health, documents. (Idempotency needs a database: see integration.)"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
import uvicorn
from pydantic import BaseModel, ValidationError

from shared import telemetry
from shared.errors import Conflict, NotFound, Refused
from shared.events.values import AreaCode, CategoryCode, KelurahanCode, RwRt
from shared.http.problems import field_errors
from tests.unit.doors import NIK, Doors, bearer, problem_of

Lines = Callable[[], list[dict[str, Any]]]


class BoothTaken(Conflict):
    """Somebody has it."""

    code = "booth-taken"


@pytest.fixture
def doors(tmp_path: Path) -> Doors:
    return Doors(tmp_path)


@pytest.fixture
async def client(doors: Doors) -> AsyncIterator[httpx.AsyncClient]:
    async with doors.client() as client:
        yield client


@pytest.fixture
def lines(doors: Doors, capsys: pytest.CaptureFixture[str]) -> Iterator[Lines]:
    """The lines logged so far."""
    telemetry.configure("doors", doors.settings)
    yield lambda: [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    logging.getLogger().setLevel(logging.WARNING)


# ---- who calls


async def test_a_known_caller_is_served_at_the_platforms_time(client: httpx.AsyncClient, doors: Doors) -> None:
    answer = await client.get("/v1/me", headers=bearer(doors.issuer.token("o1", ["officer"])))
    assert answer.json() == {"subject": "o1", "now": "2023-03-20T02:00:00Z"}


async def test_without_a_token_the_answer_asks_for_one(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/me")
    problem_of(answer, 401, "token-missing")
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_a_bad_token_is_401_and_a_missing_role_403(client: httpx.AsyncClient, doors: Doors) -> None:
    expired = await client.get("/v1/me", headers=bearer(doors.issuer.token("o1", ["officer"], hours=-1)))
    problem_of(expired, 401, "token-expired")
    assert expired.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    problem_of(await client.get("/v1/me", headers=bearer("rubbish")), 401, "token-invalid")
    vendor = await client.get("/v1/me", headers=bearer(doors.issuer.token("v1", ["vendor"])))
    assert problem_of(vendor, 403, "role-missing")["details"] == {"roles": ["officer"]}


# ---- refusals, malformed requests, faults


async def test_a_refusal_is_a_problem_with_its_code_and_details(client: httpx.AsyncClient, doors: Doors) -> None:
    doors.error = BoothTaken("Booth A07 is taken; choose another.", booth="A07", taken_on=date(2023, 3, 20))
    problem = problem_of(await client.get("/v1/raises/x"), 409, "booth-taken")
    assert problem["title"] == "Booth taken"
    assert problem["detail"] == "Booth A07 is taken; choose another."
    assert problem["details"] == {"booth": "A07", "taken_on": "2023-03-20"}
    doors.error = NotFound("There is no such bazaar.")
    assert "details" not in problem_of(await client.get("/v1/raises/x"), 404, "not-found")


async def test_a_refusal_that_passes_says_when_to_try_again(client: httpx.AsyncClient, doors: Doors) -> None:
    class Busy(Refused):
        code = "busy"
        status = 503

    doors.error = Busy("Try again.")
    answer = await client.get("/v1/raises/x")
    problem_of(answer, 503, "busy")
    assert answer.headers["retry-after"] == "1"


async def test_every_wrong_field_is_named_and_no_value_repeated(client: httpx.AsyncClient) -> None:
    secret = "Siti-0812"
    body = {"nik": secret, "vendor_id": secret, "born": secret, "pet": {"kind": secret}}
    answer = await client.post("/v1/wishes", json=body)
    problem = problem_of(answer, 422, "invalid")
    assert {error["field"] for error in problem["errors"]} == {"nik", "vendor_id", "born", "pet"}
    assert all(error["reason"] for error in problem["errors"])
    assert "Siti" not in answer.text
    assert "S" not in problem["errors"][1]["reason"], "pydantic repeats the first wrong letter of a UUID"


@pytest.mark.parametrize(
    ("body", "field", "reason"),
    [
        (b"", "body", "is required"),
        (b"{oops", "body", "is not valid JSON"),
        (b"[1]", "body", "Input should be a valid dictionary or object to extract fields from"),
        (json.dumps({"nik": NIK, "born": "2023-01-01"}).encode(), "vendor_id", "is required"),
    ],
)
async def test_a_body_that_is_no_wish_is_explained(
    client: httpx.AsyncClient, body: bytes, field: str, reason: str
) -> None:
    answer = await client.post("/v1/wishes", content=body, headers={"Content-Type": "application/json"})
    assert problem_of(answer, 422, "invalid")["errors"] == [{"field": field, "reason": reason}]


class Codes(BaseModel):
    """Every code that keeps to a pattern."""

    kelurahan: KelurahanCode
    area: AreaCode
    rw: RwRt
    category: CategoryCode


def test_a_code_that_keeps_to_no_pattern_is_told_what_it_looks_like() -> None:
    wrong = {"kelurahan": "Karang Anyar", "area": "Jakarta", "rw": "7", "category": "Food & Drink"}
    with pytest.raises(ValidationError) as refused:
        Codes.model_validate(wrong)
    reasons = {error["field"]: error["reason"] for error in field_errors(refused.value.errors())}
    examples = {"kelurahan": "31.71.02.1002", "area": "31.71", "rw": "007", "category": "food-drink"}
    assert all(examples[field] in reason and "pattern" not in reason for field, reason in reasons.items())
    assert reasons.keys() == wrong.keys()
    Codes.model_validate(examples)


async def test_what_a_handler_finds_malformed_is_answered_alike(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/inside", params={"day": NIK})
    problem = problem_of(answer, 422, "invalid")
    assert [error["field"] for error in problem["errors"]] == ["nik", "vendor_id", "born"]
    assert NIK not in answer.text


async def test_a_field_that_is_named_like_a_value_is_masked(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/notes", json={NIK: 7})
    assert problem_of(answer, 422, "invalid")["errors"][0]["field"] == telemetry.MASK


async def test_a_fault_tells_nothing_and_is_logged_once(client: httpx.AsyncClient, doors: Doors, lines: Lines) -> None:
    doors.error = RuntimeError(f"no row for {NIK}")
    answer = await client.get("/v1/raises/x")
    problem = problem_of(answer, 500, "fault")
    assert "row" not in answer.text
    logged = lines()
    [fault] = [line for line in logged if line["level"] == "error"]
    assert fault["event"] == "request.fault"
    assert "RuntimeError: no row for [masked]" in fault["exception"]
    assert (fault["trace_id"], fault["request_id"]) == (problem["trace_id"], problem["request_id"])


async def test_a_client_that_leaves_before_its_body_has_come_is_no_fault(doors: Doors, lines: Lines) -> None:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    path = "/v1/reads"
    scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b""}
    await doors.app({**scope, "headers": [], "server": ("t", 80), "client": ("t", 1)}, receive, send)
    assert [line["level"] for line in lines()] == ["info"]
    assert (sent[0]["status"], json.loads(sent[1]["body"])["code"]) == (400, "body-cut-short")


async def test_the_server_does_not_log_a_fault_again(doors: Doors, lines: Lines) -> None:
    doors.error = RuntimeError("boom")
    server = uvicorn.Server(uvicorn.Config(doors.app, port=0, log_config=None, access_log=False, lifespan="off"))
    serving = asyncio.create_task(server.serve())
    async with asyncio.timeout(10):
        for _ in range(1000):
            await asyncio.sleep(0.01)
            if server.started:
                break
    port = server.servers[0].sockets[0].getsockname()[1]
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        answer = await client.get("/v1/raises/x")
    server.should_exit = True
    await serving
    problem_of(answer, 500, "fault")
    assert [line["event"] for line in lines() if "exception" in line] == ["request.fault"]


@pytest.mark.parametrize(
    "error",
    [ConnectionRefusedError(), asyncpg.CannotConnectNowError(), asyncpg.LockNotAvailableError(), TimeoutError()],
)
async def test_an_outage_is_503_and_may_be_tried_again(
    client: httpx.AsyncClient, doors: Doors, error: Exception, lines: Lines
) -> None:
    doors.error = error
    answer = await client.get("/v1/raises/x")
    problem_of(answer, 503, "unavailable")
    assert answer.headers["retry-after"] == "1"
    assert [line["event"] for line in lines() if line["level"] == "warning"] == ["request.outage"]


async def test_unknown_addresses_and_methods_are_problems_too(client: httpx.AsyncClient) -> None:
    problem_of(await client.get("/v1/nothing"), 404, "no-such-address")
    problem_of(await client.get("/v1/me/"), 404, "no-such-address")
    wrong = await client.delete("/v1/me")
    problem_of(wrong, 405, "method-not-allowed")
    assert wrong.headers["allow"] == "GET"
    unreadable = await client.post("/v1/sheets", content=b"x", headers={"Content-Type": "multipart/form-data"})
    problem_of(unreadable, 400, "malformed")


# ---- health and documents


async def test_live_is_live_and_ready_tells_of_every_part(client: httpx.AsyncClient, doors: Doors) -> None:
    assert (await client.get("/health/live")).json() == {"ok": True}
    ready = await client.get("/health/ready")
    assert (ready.status_code, ready.json()) == (
        200,
        {"ok": True, "components": {"database": {"ok": True, "detail": "answers"}}},
    )
    doors.parts["relay"] = (False, "failing")
    not_ready = await client.get("/health/ready")
    assert (not_ready.status_code, not_ready.json()["ok"]) == (503, False)
    assert not_ready.json()["components"] == {
        "database": {"ok": True, "detail": "answers"},
        "relay": {"ok": False, "detail": "failing"},
    }


async def test_metrics_are_served_for_prometheus(client: httpx.AsyncClient) -> None:
    answer = await client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert "# TYPE lapak_outbox_depth gauge" in answer.text


async def test_openapi_tells_of_problems_and_of_idempotency(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    post = document["paths"]["/v1/notes"]["post"]
    assert {"$ref": "#/components/parameters/IdempotencyKey"} in post["parameters"]
    assert post["responses"]["default"] == {"$ref": "#/components/responses/Problem"}
    assert "422" not in post["responses"]
    assert document["paths"]["/v1/me"]["get"]["security"] == [{"HTTPBearer": []}]
    assert not any(path.startswith(("/health", "/metrics", "/docs")) for path in document["paths"])
    assert (await client.get("/docs")).status_code == 200


async def test_the_events_are_documented_without_loading_anything(client: httpx.AsyncClient) -> None:
    document = (await client.get("/docs/asyncapi.json")).json()
    assert document["asyncapi"] == "3.0.0"
    shown = (await client.get("/docs/asyncapi")).text
    assert "lapak.vendor.events.v1" in shown
    assert "VendorRegistered" in shown
    assert "src=" not in shown
    assert "http" not in shown.replace('<html lang="en">', "")
