"""The register of issues over HTTP, and its report."""

import csv
import io
from typing import Any
from uuid import UUID, uuid4

from services.vendor.store import issues as store
from tests.conftest import StandingClock
from tests.integration.vendor import KARANG_ANYAR, PENJARINGAN, Registry, at_once, ok

TOLD = ("IssueRaised", "IssueAssigned", "IssueClosed")
TEXT = "Rahasia: izin Bu Siti tertahan"


async def complain(registry: Registry, *, token: str | None = None, **more: Any) -> UUID:
    body = {"category": "licensing", "text": TEXT, **more}
    return UUID(ok(await registry.post("/v1/issues", body, token=token), 201)["issue_id"])


async def found(registry: Registry, *, token: str | None = None, **params: Any) -> list[UUID]:
    answer = ok(await registry.get("/v1/issues", token=token, **params))
    return [UUID(item["issue_id"]) for item in answer["items"]]


async def close(registry: Registry, issue_id: UUID, outcome: str = "solved", **more: Any) -> None:
    ok(await registry.post(f"/v1/issues/{issue_id}/close", {"outcome": outcome}, **more))


async def test_an_issue_is_raised_assigned_and_closed_with_its_history(
    registry: Registry, clock: StandingClock
) -> None:
    vendor_id = await registry.register(1)
    issue_id = await complain(registry, area="31.71.02", vendors=[str(vendor_id)])
    path = f"/v1/issues/{issue_id}"
    clock.advance(days=2)
    ok(await registry.post(f"{path}/assign", {"owner": "ppkukm", "note": "Catatan"}))
    ok(await registry.post(f"{path}/assign", {"owner": "ppkukm"}))
    ok(await registry.post(f"{path}/assign", {"owner": "kpkp"}))
    clock.advance(days=3)
    stood = ok(await registry.post(f"{path}/close", {"outcome": "solved"}))
    assert stood == {"issue_id": str(issue_id), "state": "closed", "owner": "kpkp", "outcome": "solved"}
    assert ok(await registry.post(f"{path}/close", {"outcome": "declined"}), 409)["code"] == "issue-closed"
    assert ok(await registry.post(f"{path}/assign", {"owner": "ppkukm"}), 409)["code"] == "issue-closed"
    shown = ok(await registry.get(path))
    assert (shown["text"], shown["raised_on"], shown["closed_on"], shown["vendors"]) == (
        TEXT,
        "2023-03-01",
        "2023-03-06",
        [str(vendor_id)],
    )
    assert [(step["state"], step["owner"], step["note"], step["by"]) for step in shown["history"]] == [
        ("open", None, None, "officer-31.71"),
        ("assigned", "ppkukm", "Catatan", "officer-31.71"),
        ("assigned", "kpkp", None, "officer-31.71"),
        ("closed", "kpkp", None, "officer-31.71"),
    ]
    events = await registry.published(*TOLD)
    assert [(event.type, event.key, event.sequence) for event in events] == [
        ("IssueRaised", str(issue_id), 1),
        ("IssueAssigned", str(issue_id), 2),
        ("IssueAssigned", str(issue_id), 3),
        ("IssueClosed", str(issue_id), 4),
    ]
    assert events[0].body == {
        "issue_id": str(issue_id),
        "category": "licensing",
        "area": "31.71.02",
        "vendors": [str(vendor_id)],
    }
    assert await registry.value("SELECT version FROM vendor") == 1


async def test_the_text_stays_in_the_register(registry: Registry) -> None:
    await complain(registry)
    holders = {table for table, rows in (await registry.everything()).items() if "Rahasia" in rows}
    assert holders == {"issue"}


async def test_a_vendor_raises_its_own_and_sees_what_it_raised_alone(registry: Registry) -> None:
    vendor_id, other = await registry.register(1), await registry.register(2)
    own = registry.vendor(vendor_id)
    issue_id = await complain(registry, token=own)
    about = await complain(registry, vendors=[str(vendor_id), str(other)])
    items = ok(await registry.get(f"/v1/vendors/{vendor_id}/issues", token=own))["items"]
    assert [(UUID(item["issue_id"]), item["area"], item["vendors"]) for item in items] == [
        (issue_id, KARANG_ANYAR, None)
    ]
    ok(await registry.post(f"/v1/issues/{issue_id}/assign", {"owner": "ppkukm", "note": "Internal"}))
    shown = ok(await registry.get(f"/v1/issues/{issue_id}", token=own))
    assert [(step["state"], step["note"], step["by"]) for step in shown["history"]] == [
        ("open", None, None),
        ("assigned", None, None),
    ]
    assert ok(await registry.get(f"/v1/issues/{about}", token=own), 404)["code"] == "issue-unknown"
    assert (await registry.get(f"/v1/issues/{issue_id}", token=registry.vendor(other))).status_code == 404
    assert (await registry.get(f"/v1/vendors/{vendor_id}/issues", token=registry.vendor(other))).status_code == 403
    assert (await registry.get("/v1/issues", token=own)).status_code == 403
    assert (await registry.published("IssueRaised"))[0].body["vendors"] == [str(vendor_id)]
    for wrong in ({"vendors": [str(other)]}, {"area": "31.71"}):
        body = {"category": "other", "text": "x", **wrong}
        assert (await registry.post("/v1/issues", body, token=own)).status_code == 403
    body = {"category": "other", "text": "x"}
    assert (await registry.post("/v1/issues", body, token=registry.newcomer())).status_code == 403
    assert (await registry.post("/v1/issues", body, token=registry.of("service"))).status_code == 403


async def test_a_person_sees_what_it_raised_under_any_of_its_registrations(registry: Registry) -> None:
    survivor, retired = await registry.register(1), await registry.register(2)
    issue_id = await complain(registry, token=registry.vendor(retired))
    async with registry.database.transaction() as conn:
        await conn.execute("UPDATE vendor SET merged_into = $1 WHERE vendor_id = $2", survivor, retired)
    own = registry.vendor(survivor)
    items = ok(await registry.get(f"/v1/vendors/{survivor}/issues", token=own))["items"]
    assert [UUID(item["issue_id"]) for item in items] == [issue_id]
    assert (await registry.get(f"/v1/issues/{issue_id}", token=own)).status_code == 200
    assert await found(registry, vendor_id=str(survivor)) == [issue_id]
    raised = await complain(registry, token=registry.vendor(retired))
    assert ok(await registry.get(f"/v1/issues/{raised}", token=own))["raised_by_vendor"] == str(survivor)


async def test_officers_find_the_issues_of_their_area(registry: Registry) -> None:
    province, elsewhere = registry.officer("31"), registry.officer("31.72")
    vendor_id = await registry.register(1)
    one = await complain(registry, area="31.71.02.1002", category="capital", vendors=[str(vendor_id)])
    two = await complain(registry, area="31.71.01")
    far = await complain(registry, token=province, area="31.72.01")
    whole = await complain(registry, token=province)
    assert await found(registry, token=province) == [one, two, far, whole]
    assert await found(registry) == [one, two]
    assert await found(registry, area="31.71.02") == [one]
    assert await found(registry, category="licensing") == [two]
    assert await found(registry, vendor_id=str(vendor_id)) == [one]
    ok(await registry.post(f"/v1/issues/{two}/assign", {"owner": "kpkp"}))
    assert await found(registry, owner="kpkp") == [two]
    assert await found(registry, state="open") == [one]
    first = ok(await registry.get("/v1/issues", token=province, limit=3))
    assert await found(registry, token=province, after=first["next"]) == [whole]
    assert (await registry.get("/v1/issues", area="31.72")).status_code == 403
    for path, body in (("assign", {"owner": "kpkp"}), ("close", {"outcome": "solved"})):
        answer = await registry.post(f"/v1/issues/{one}/{path}", body, token=elsewhere)
        assert ok(answer, 404)["code"] == "issue-unknown"
        assert (await registry.post(f"/v1/issues/{uuid4()}/{path}", body)).status_code == 404
    assert (await registry.get(f"/v1/issues/{one}", token=elsewhere)).status_code == 404
    assert (await registry.get(f"/v1/issues/{uuid4()}")).status_code == 404


async def test_what_makes_no_sense_is_refused(registry: Registry) -> None:
    far = await registry.register(1, kelurahan=PENJARINGAN, token=registry.officer("31"))
    body = {"category": "licensing", "text": TEXT}
    for wrong, status, code in (
        ({"category": "mobil"}, 422, "issue-category-unknown"),
        ({"area": "31.71.99"}, 422, "area-unknown"),
        ({"area": "31"}, 403, "outside-area"),
        ({"vendors": [str(far)]}, 404, "vendor-unknown"),
        ({"vendors": [str(uuid4())]}, 404, "vendor-unknown"),
        ({"vendors": [str(uuid4())] * 201}, 422, "invalid"),
        ({"text": "a\x00b"}, 422, "invalid"),
        ({"text": "x" * 2001}, 422, "invalid"),
    ):
        answer = ok(await registry.post("/v1/issues", {**body, **wrong}), status)
        assert answer["code"] == code, wrong
    issue_id = await complain(registry)
    unknown = await registry.post(f"/v1/issues/{issue_id}/assign", {"owner": "dishub"})
    assert len(ok(unknown, 422)["details"]["known"]) == 6
    assert len(await registry.published(*TOLD)) == 1
    assert len(ok(await registry.client.get("/v1/issue-categories"))["items"]) == 8


async def test_of_two_that_close_at_once_one_wins(registry: Registry) -> None:
    await registry.crowd()
    issue_id = await complain(registry)
    answers = await at_once(*(registry.post(f"/v1/issues/{issue_id}/close", {"outcome": "declined"}) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409, 409]
    assert [event.sequence for event in await registry.published(*TOLD)] == [1, 2]


async def test_the_report_counts_by_area_and_category_with_the_median_of_days(
    registry: Registry, clock: StandingClock
) -> None:
    for days in (1, 2, 6):
        issue_id = await complain(registry, area=KARANG_ANYAR)
        clock.advance(days=days)
        await close(registry, issue_id)
    await complain(registry, area="31.71.02", category="capital")
    assigned = await complain(registry, area="31.71.02.1001")
    ok(await registry.post(f"/v1/issues/{assigned}/assign", {"owner": "kpkp"}))
    await complain(registry, area="31.71")
    await complain(registry, token=registry.officer("31"), area="31.72")
    report = ok(await registry.get("/v1/reports/issues"))
    none = {"open": 0, "assigned": 0, "closed": 0, "median_days": None}
    assert report == {
        "area": "31.71",
        "rows": [
            {
                "area": "31.71",
                "area_name": "Kota Administrasi Jakarta Pusat",
                "category": "licensing",
                **none,
                "open": 1,
            },
            {"area": "31.71.02", "area_name": "Sawah Besar", "category": "capital", **none, "open": 1},
            {
                "area": "31.71.02",
                "area_name": "Sawah Besar",
                "category": "licensing",
                "open": 0,
                "assigned": 1,
                "closed": 3,
                "median_days": 2.0,
            },
        ],
    }
    rows = ok(await registry.get("/v1/reports/issues", **{"from": "2023-03-02", "until": "2023-03-02"}))["rows"]
    assert [(row["area"], row["closed"], row["median_days"]) for row in rows] == [("31.71.02", 1, 2.0)]
    narrow = ok(await registry.get("/v1/reports/issues", area="31.71.02"))["rows"]
    assert {row["area"] for row in narrow} == {"31.71.02", "31.71.02.1001", KARANG_ANYAR}
    wide = ok(await registry.get("/v1/reports/issues", token=registry.officer("31")))["rows"]
    assert {row["area"] for row in wide} == {"31.71", "31.72"}
    sheet = await registry.get("/v1/reports/issues.csv")
    assert sheet.headers["content-type"].startswith("text/csv")
    lines = list(csv.DictReader(io.StringIO(sheet.text)))
    assert [(line["area"], line["category"], line["closed"], line["median_days"]) for line in lines] == [
        ("31.71", "licensing", "0", ""),
        ("31.71.02", "capital", "0", ""),
        ("31.71.02", "licensing", "3", "2.0"),
    ]
    for path in ("/v1/reports/issues", "/v1/reports/issues.csv"):
        assert (await registry.get(path, area="31.72")).status_code == 403
        assert (await registry.get(path, token=registry.of("vendor"))).status_code == 403


async def test_erasing_strips_texts_notes_and_names_and_keeps_the_counts(registry: Registry) -> None:
    vendor_id, other = await registry.register(1), await registry.register(2)
    own = await complain(registry, token=registry.vendor(vendor_id))
    both = await complain(registry, vendors=[str(vendor_id), str(other)])
    foreign = await complain(registry, vendors=[str(other)])
    for issue_id in (own, both):
        ok(await registry.post(f"/v1/issues/{issue_id}/close", {"outcome": "solved", "note": "Rahasia"}))
    async with registry.database.transaction() as conn:
        kept = (await store.collect_issues(conn, [vendor_id]))["issues"]
        assert [(one["issue_id"], one["text"], one["notes"]) for one in kept] == [
            (str(own), TEXT, ["Rahasia"]),
            (str(both), None, []),
        ]
        assert await store.erase_issues(conn, [vendor_id]) == {"issues": 2}
        assert await store.collect_issues(conn, [vendor_id]) == {"issues": []}
    rows = (await registry.everything())["issue"].splitlines()
    assert [str(foreign) in line for line in rows if "Rahasia" in line] == [True]
    assert f"vendor-{vendor_id}" not in (await registry.everything())["issue_step"]
    assert "Rahasia" not in (await registry.everything())["issue_step"]
    shown = ok(await registry.get(f"/v1/issues/{both}"))
    assert (shown["state"], shown["text"], shown["vendors"]) == ("closed", "", [str(other)])
    (report,) = [row for row in ok(await registry.get("/v1/reports/issues"))["rows"] if row["area"] == "31.71.02"]
    assert (report["closed"], report["median_days"]) == (1, 0.0)
