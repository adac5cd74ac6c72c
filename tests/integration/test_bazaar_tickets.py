"""Tickets: issued when a booth is confirmed, read back from the code, checked with the published keys alone."""

import asyncio
import io
import json
from pathlib import Path
from uuid import UUID

import zxingcpp
from PIL import Image
from typer.testing import CliRunner

from services.bazaar.handlers.tickets import ISSUE, issue
from services.bazaar.store.applications import lock_application
from services.bazaar.store.tickets import SEALED_TICKET_KEYS
from shared.crypto import Sealer
from shared.resealing import reseal
from shared.tickets import read_keys, read_ticket
from shared.tickets_cli import app
from shared.timers import set_timer
from tests.conftest import SECRET_KEYS as TEST_KEYS
from tests.integration.bazaar import DAYS, Fair
from tests.integration.bazaar_day import issue_tickets, open_day, ticket


async def test_a_confirmed_booth_has_a_ticket_that_anyone_can_check(fair: Fair, tmp_path: Path) -> None:
    day = await open_day(fair, booths=2, applicants=3)
    first = day.confirmed[0]
    own = fair.vendor(day.vendors[first])
    shown = await fair.shown(f"/v1/applications/{first}/ticket", token=own)
    document = (await fair.client.get("/v1/tickets/keys")).json()
    found = read_ticket(shown["ticket"], read_keys(document))
    assert (str(found.subject), str(found.event), found.place) == (first, day.bazaar_id, "one")
    assert (found.spot, found.days, found.serial) == (shown["booth"], DAYS, 1)
    issued = await fair.published("TicketIssued")
    assert sorted(str(event.key) for event in issued) == sorted(day.confirmed)
    assert {event.body["ticket"] for event in issued} >= {shown["ticket"]}
    await fair.assert_sequences_have_no_gap()

    image = await fair.get(f"/v1/applications/{first}/ticket.png", token=own)
    assert image.headers["cache-control"] == "private, no-store"
    (code,) = zxingcpp.read_barcodes(Image.open(io.BytesIO(image.content)))
    assert code.text == shown["ticket"]
    drawing = await fair.get(f"/v1/applications/{first}/ticket.svg", token=own)
    assert drawing.headers["content-type"] == "image/svg+xml"
    assert b"<svg" in drawing.content

    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps(document))
    checked = CliRunner().invoke(app, ["verify", "--keys", str(keys), code.text])
    assert checked.exit_code == 0, checked.output
    assert json.loads(checked.stdout)["spot"] == shown["booth"]


async def test_a_ticket_is_for_its_vendor_and_its_officers(fair: Fair) -> None:
    day = await open_day(fair, booths=1, applicants=2)
    door = f"/v1/applications/{day.confirmed[0]}/ticket"
    for end in ("", ".svg", ".png"):
        assert (await fair.get(door + end, token=fair.vendor(day.vendors[day.waiting[0]]))).status_code == 403
        assert (await fair.client.get(door + end)).status_code == 401
    assert (await fair.get(f"/v1/applications/{day.waiting[0]}/ticket")).json()["code"] == "ticket-unknown"


async def test_asked_for_again_nothing_is_issued_and_a_changed_booth_has_a_new_serial(fair: Fair) -> None:
    day = await open_day(fair, booths=1, applicants=1)
    (application_id,) = day.confirmed
    before = await ticket(fair, application_id)

    async def ask_again() -> None:
        async with fair.database.transaction() as conn:
            await set_timer(conn, ISSUE, application_id, fair.clock.now())
        assert await issue_tickets(fair) == 1

    await ask_again()
    assert len(await fair.published("TicketIssued")) == 1
    async with fair.database.transaction() as conn:
        await conn.execute("UPDATE site SET days = $1", [DAYS[0]])
    await ask_again()
    shown = await fair.shown(f"/v1/applications/{application_id}/ticket")
    assert (shown["serial"], shown["days"]) == (2, [DAYS[0].isoformat()])
    assert shown["ticket"] != before
    await fair.assert_sequences_have_no_gap()


async def test_a_new_key_signs_and_the_old_one_still_checks(fair: Fair) -> None:
    day = await open_day(fair, booths=1, applicants=1)
    old = await ticket(fair, day.confirmed[0])
    assert await fair.refused("/v1/tickets/keys") == (403, "role-missing")
    made = await fair.done("/v1/tickets/keys", token=fair.operator())
    document = (await fair.client.get("/v1/tickets/keys")).json()
    assert document["keys"][0]["kid"] == made["key_id"]
    assert len(document["keys"]) == 2
    read_ticket(old, read_keys(document))
    async with fair.database.transaction() as conn:
        await conn.execute("UPDATE site SET days = $1", [DAYS[0]])
        await set_timer(conn, ISSUE, day.confirmed[0], fair.clock.now())
    await issue_tickets(fair)
    text = await ticket(fair, day.confirmed[0])
    newest = {made["key_id"]: read_keys(document)[made["key_id"]]}
    assert read_ticket(text, newest).serial == 2


async def test_private_keys_are_sealed_at_rest_and_sealed_anew_with_the_others(fair: Fair) -> None:
    await fair.done("/v1/tickets/keys", token=fair.operator())
    async with fair.database.read() as conn:
        before = await conn.fetchrow("SELECT id, sealed FROM ticket_key")
    assert before is not None
    assert len(fair.sealer.open(before["sealed"], before["id"].bytes)) == 32
    newer = Sealer({"newer": "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=", **TEST_KEYS})
    assert await reseal(fair.database, newer, SEALED_TICKET_KEYS, lambda done: None) == 1
    async with fair.database.read() as conn:
        after = await conn.fetchval("SELECT sealed FROM ticket_key")
    assert newer.key_id(after) == "newer"
    assert newer.open(after, before["id"].bytes) == fair.sealer.open(before["sealed"], before["id"].bytes)


async def test_whoever_holds_an_application_asks_for_its_ticket_while_the_timer_waits_for_it(fair: Fair) -> None:
    day = await open_day(fair, booths=1, applicants=1)
    application_id = UUID(day.confirmed[0])
    async with fair.database.transaction() as conn:
        await issue(conn, [await lock_application(conn, application_id)], now=fair.clock.now())
    async with fair.database.transaction() as conn:
        held = await lock_application(conn, application_id)
        working_off = asyncio.create_task(issue_tickets(fair))
        done, _ = await asyncio.wait([working_off], timeout=0.2)
        assert not done
        await asyncio.wait_for(issue(conn, [held], now=fair.clock.now()), 0.5)
    assert await working_off == 2
    assert len(await fair.published("TicketIssued")) == 1


async def test_two_who_make_the_first_ticket_at_once_use_one_key(fair: Fair) -> None:
    day = await open_day(fair, booths=4, applicants=4)
    async with fair.database.transaction() as conn:
        await conn.execute("TRUNCATE ticket_key")
        await conn.execute("TRUNCATE ticket")
        for application_id in day.confirmed:
            await set_timer(conn, ISSUE, application_id, fair.clock.now())
    await fair.crowd()
    await asyncio.gather(*(issue_tickets(fair) for _ in range(4)))
    async with fair.database.read() as conn:
        assert await conn.fetchval("SELECT count(*) FROM ticket_key") == 1
        assert await conn.fetchval("SELECT count(*) FROM ticket") == 4
    await fair.assert_sequences_have_no_gap()
