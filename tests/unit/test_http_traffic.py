"""What happens round every request: correlation, the limits, the log line, pages of lists."""

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from shared import telemetry
from shared.http import BODY_BYTES_MAX, CursorInvalid, page, read_cursor, write_cursor
from tests.unit.doors import IN_FLIGHT_MAX, NIK, UPLOAD_BYTES_MAX, Doors, bearer, problem_of

Lines = Callable[[], list[dict[str, Any]]]


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


# ---- correlation


async def test_a_requests_id_is_kept_when_it_looks_like_one(client: httpx.AsyncClient) -> None:
    kept = await client.get("/health/live", headers={"X-Request-Id": "0186f0a2-7b10"})
    assert kept.headers["x-request-id"] == "0186f0a2-7b10"
    for rubbish in ("short", "with blank 1", "x" * 65, 'a"b<script>'):
        given = (await client.get("/health/live", headers={"X-Request-Id": rubbish})).headers["x-request-id"]
        assert UUID(given).version == 7


async def test_a_request_is_one_line_in_the_log(client: httpx.AsyncClient, doors: Doors, lines: Lines) -> None:
    await client.get("/v1/me?secret=1", headers=bearer(doors.issuer.token("o1", ["officer"])))
    await client.get("/health/live")
    await client.get(f"/v1/raises/{NIK}")
    first, second = lines()
    assert next(iter(first)) == "event"
    assert (first["event"], first["method"], first["route"], first["status"]) == (
        "request.handled",
        "GET",
        "/v1/me",
        200,
    )
    assert (first["subject"], second["route"]) == ("o1", "/v1/raises/{thing}")
    assert first["ms"] > 0
    assert "secret" not in json.dumps(first)


async def test_a_trace_goes_on_from_the_caller_to_the_handler(client: httpx.AsyncClient, doors: Doors) -> None:
    doors.gate.set()
    given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    answer = await client.get("/v1/waits", headers={"traceparent": given})
    assert answer.json()["traceparent"].split("-")[1] == given.split("-")[1]
    alone = await client.get("/v1/waits")
    assert alone.json()["traceparent"] is not None


async def test_requests_are_measured_by_route_not_by_address(client: httpx.AsyncClient) -> None:
    def count(**labels: str) -> float:
        return REGISTRY.get_sample_value("lapak_http_seconds_count", labels) or 0

    by_route = {"method": "GET", "route": "/v1/raises/{thing}", "status": "200"}
    by_nothing = {"method": "OTHER", "route": "(none)", "status": "404"}
    before = count(**by_route), count(**by_nothing)
    await client.get("/v1/raises/a")
    await client.get("/v1/raises/b")
    await client.request("BREW", "/v1/teapot")
    assert (count(**by_route), count(**by_nothing)) == (before[0] + 2, before[1] + 1)


# ---- limits


async def test_a_body_up_to_the_limit_is_read_and_one_byte_more_refused(client: httpx.AsyncClient) -> None:
    frame = len(json.dumps({"text": ""}))
    fits = BODY_BYTES_MAX - frame
    assert (await client.post("/v1/notes", json={"text": "x" * fits}, headers={})).status_code == 200
    refused = await client.post("/v1/notes", content=json.dumps({"text": "x" * (fits + 2)}))
    problem_of(refused, 413, "body-too-large")


@pytest.mark.parametrize("declared", ["", "1", "rubbish"])
async def test_a_body_without_an_honest_length_is_counted(client: httpx.AsyncClient, declared: str) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(17):
            yield b" " * (BODY_BYTES_MAX // 16)

    headers = {"Content-Type": "application/json"} | ({"Content-Length": declared} if declared else {})
    answer = await client.post("/v1/notes", content=pieces(), headers=headers)
    problem_of(answer, 413, "body-too-large")


async def test_a_marked_route_takes_more_and_has_a_limit_too(client: httpx.AsyncClient) -> None:
    more = UPLOAD_BYTES_MAX - 1000
    answer = await client.post("/v1/sheets", files={"file": b"x" * more})
    assert (answer.status_code, answer.json()) == (200, more)
    refused = await client.post("/v1/sheets", files={"file": b"x" * UPLOAD_BYTES_MAX})
    problem_of(refused, 413, "body-too-large")


async def test_beyond_the_limit_in_flight_requests_are_told_to_come_back(
    client: httpx.AsyncClient, doors: Doors, lines: Lines
) -> None:
    served = [asyncio.create_task(client.get("/v1/waits")) for _ in range(IN_FLIGHT_MAX)]
    for _ in range(500):
        await asyncio.sleep(0.01)
        if doors.entered == IN_FLIGHT_MAX:
            break
    assert doors.entered == IN_FLIGHT_MAX
    for _ in range(3):
        refused = await client.get("/v1/waits")
        problem_of(refused, 429, "overloaded")
        assert refused.headers["retry-after"] == "1"
    assert (await client.get("/health/live")).status_code == 200
    assert (await client.get("/metrics")).status_code == 200
    [told] = lines()
    assert (told["event"], told["count"], told["in_flight"]) == ("requests.refused", 1, IN_FLIGHT_MAX)
    doors.gate.set()
    assert [(await request).status_code for request in served] == [200] * IN_FLIGHT_MAX
    assert (await client.get("/v1/waits")).status_code == 200


async def test_a_request_that_ends_badly_leaves_its_place(client: httpx.AsyncClient, doors: Doors) -> None:
    doors.error = RuntimeError("boom")
    for _ in range(5):
        assert (await client.get("/v1/raises/x")).status_code == 500
    waiting = [asyncio.create_task(client.get("/v1/waits")) for _ in range(2)]
    await asyncio.sleep(0.1)
    for request in waiting:
        request.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    doors.gate.set()
    assert (await client.get("/v1/waits")).status_code == 200


# ---- pages


async def test_a_list_is_read_page_by_page(client: httpx.AsyncClient) -> None:
    seen: list[int] = []
    after: dict[str, str] = {}
    for _ in range(3):
        answer = (await client.get("/v1/rows", params={"limit": 3, **after})).json()
        seen += answer["items"]
        if answer["next"] is None:
            break
        after = {"after": answer["next"]}
    assert seen == list(range(7))


@pytest.mark.parametrize(("limit", "status"), [("1", 200), ("500", 200), ("0", 422), ("501", 422), ("many", 422)])
async def test_a_limit_is_1_to_500(client: httpx.AsyncClient, limit: str, status: int) -> None:
    answer = await client.get("/v1/rows", params={"limit": limit})
    assert answer.status_code == status
    if status == 422:
        assert [error["field"] for error in problem_of(answer, 422, "invalid")["errors"]] == ["limit"]


def test_only_a_row_too_many_means_another_page() -> None:
    assert page([1, 2], 3, str) == {"items": [1, 2], "next": None}
    assert page([1, 2, 3], 3, str) == {"items": [1, 2, 3], "next": None}
    assert page([1, 2, 3, 4], 3, str) == {"items": [1, 2, 3], "next": write_cursor("3")}
    assert page([], 3, str) == {"items": [], "next": None}


@given(st.dates(), st.uuids(), st.text(max_size=20))
def test_a_cursor_gives_back_the_key_it_was_made_of(day: date, vendor_id: UUID, text: str) -> None:
    cursor = write_cursor((day, vendor_id, text))
    assert read_cursor(cursor, tuple[date, UUID, str]) == (day, vendor_id, text)
    assert read_cursor(cursor) == [day.isoformat(), str(vendor_id), text]
    assert cursor.isascii()
    assert set(cursor).isdisjoint("+/=&?#")


@pytest.mark.parametrize("text", ["", "x", "!!", "é", write_cursor("v1"), write_cursor(None), write_cursor([1])])
def test_a_made_up_cursor_is_refused(text: str) -> None:
    with pytest.raises(CursorInvalid) as caught:
        read_cursor(text, UUID)
    assert (caught.value.status, caught.value.code) == (422, "cursor-invalid")


@given(st.text(max_size=60))
def test_no_cursor_text_is_a_fault(text: str) -> None:
    with contextlib.suppress(CursorInvalid):
        read_cursor(text, tuple[date, UUID])
