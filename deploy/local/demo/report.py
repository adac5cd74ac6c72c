"""What the demo has to show: figures under plain names, promises as true or false, and tables for a newcomer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import httpx
from rich.console import Console
from rich.table import Table
from rich.text import Text

from shared.clock import JAKARTA

if TYPE_CHECKING:
    from deploy.local.demo.school import School
    from deploy.local.demo.story import Bazaar, Story

__all__ = ["gather", "show"]

EXPECTED_REJECTIONS = 3
SEATS = 180


async def gather(story: Story, school: School, march: Bazaar, april: Bazaar) -> dict[str, Any]:
    """Ask the services, the phones and the mail catcher, and judge."""
    await story.quiet()
    doors = story.doors
    events = {name: await _events(story, name) for name in doors.urls}
    stats = await doors.get("notify", "/v1/stats")
    queue = await _queue(story, march)
    async with httpx.AsyncClient() as client:
        mail = (await client.get(f"{story.running.mail_url}/count")).json()
    phones = await story.phones.figures()
    sources = {**await doors.get("vendor", "/v1/sources"), **await doors.get("training", "/v1/sources")}
    copies = {name: await doors.get(name, "/v1/projections") for name in ("bazaar", "training", "notify")}
    gauges = {name: await doors.metrics(name) for name in doors.urls}
    outboxes = {name: int(samples.get(("lapak_outbox_depth", ()), -1)) for name, samples in gauges.items()}
    letters = {name: int(_letters(samples)) for name, samples in gauges.items()}
    refused = int(await story.duplicates_refused())
    figures: dict[str, Any] = {
        "vendors": {"registered": len(story.vendors), "by_door": dict(story.registered)},
        "import_rejected_rows": story.import_rejected,
        "trained": len(story.trained),
        "certificates": len(school.certificates),
        "vendors_by_mentor": sorted(school.mentored.values()),
        "referral": school.referral["state"],
        "applications": {"march": len(march.applications), "april": len(april.applications)},
        "applications_refused": dict(march.refused),
        "offers": {"march": len(march.result["served"]), "april": len(april.result["served"])},
        "answers": dict(march.answers),
        "promotions": march.reoffered,
        "sites": {"march": march.summary["sites"], "april": april.summary["sites"]},
        "first_of_the_queue": queue,
        "events_published": _total(events, "published"),
        "events_consumed": _total(events, "consumed"),
        "duplicates": {"offered_on_purpose": story.duplicates_offered, "refused": refused},
        "commands_refused": story.commands_refused,
        "messages": {
            "by_kind": stats["by_template"],
            "by_state": stats["by_state"],
            "by_channel": stats["by_channel"],
            "on_the_phones": {name: value for name, value in phones.items() if name != "shown"},
            "in_the_mailbox": mail,
        },
        "phones": phones["shown"],
        "latency_seconds": stats["latency_seconds"],
        "outboxes": outboxes,
        "dead_letters": letters,
        "copies": {"sources": sources, "copies": copies},
    }
    figures["promises"] = {
        "everyone is registered once, bad rows come back with a reason": len(story.vendors) == len(story.people)
        and len(story.import_rejected) >= EXPECTED_REJECTIONS,
        "duplicates sent on purpose are all refused": refused == story.duplicates_offered > 0,
        "only trained members are eligible": _only_trained(story, march, april)
        and march.refused.get("training-missing", 0) > 0,
        "who completed has a certificate, numbered without a gap; a forged one is found out": _numbered(school)
        and school.genuine_accepted
        and school.forged_refused,
        "everyone matched has a mentor within its limit, and anyone can check that it is the best matching": (
            school.matching_verified and school.without_mentor == 0 and max(school.mentored.values()) <= school.load_max
        ),
        "a bank's answers count once, the later one, whatever order they come in": school.referral["state"]
        == "approved",
        "the seed is drawn only after the list is frozen": march.seed_refused_before_freeze
        and april.seed_refused_before_freeze,
        "the verifier accepts both published rounds": march.verified_by_command and april.verified_by_command,
        "180 booths are offered, 30 at each of six locations, 5 at least kept per agency": _booths(march)
        and _reserves(march),
        "every applicant hears of a booth, or of its place, the reason and the forecast": _told(
            stats["by_template"], march, april
        ),
        "booths given back go to the next at once": march.reoffered > 0 and _full(march),
        "no site ever holds more than its booths": _never_over(march) and _never_over(april),
        "who waited comes before who was served in March": _waited_first(april),
        "the two kecamatan left out in March come in": _left_out_come_in(april),
        "every message is once in the books of phones and mail": _once(stats, phones, mail),
        "a YA on a phone confirms the booth, and the same phone hears of it": story.phones.confirmed
        and [one["inbound"] for one in phones["shown"][:3]] == [False, True, False],
        "outboxes are empty": not any(outboxes.values()),
        "there are no dead letters": not any(letters.values()),
        "copies equal their sources": _copies_agree(sources, copies),
    }
    return figures


def _numbered(school: School) -> bool:
    numbers = sorted(int(one["number"].rpartition("/")[2]) for one in school.certificates)
    return numbers == list(range(1, len(numbers) + 1)) and bool(numbers)


def _only_trained(story: Story, *bazaars: Bazaar) -> bool:
    return all(vendor in story.trained for bazaar in bazaars for vendor in bazaar.applications)


def _booths(bazaar: Bazaar) -> bool:
    seats = Counter(row["pool"] for row in bazaar.result["served"])
    return len(bazaar.result["served"]) == SEATS and len(seats) == 6 and set(seats.values()) == {30}


def _reserves(bazaar: Bazaar) -> bool:
    """At each site every agency has its five, unless fewer of its members who named the site applied at all."""
    applicants = {one["id"]: one for one in bazaar.problem["applicants"]}
    held: Counter[tuple[str, str]] = Counter()
    for row in bazaar.result["served"]:
        held[row["pool"], applicants[row["applicant"]]["groups"].get("agency", "")] += 1
    waiting = [applicants[row["applicant"]] for row in bazaar.result["waiting"]]
    for pool in bazaar.problem["pools"]:
        for reserve in pool.get("reserves", []):
            if held[pool["id"], reserve["value"]] < reserve["seats"] and any(
                one["groups"].get(reserve["group"]) == reserve["value"] and any(pool["id"] in t for t in one["choices"])
                for one in waiting
            ):
                return False
    return True


def _full(bazaar: Bazaar) -> bool:
    """Every booth was taken in the end, while somebody waited for it."""
    return all(site["confirmed"] == site["booths"] for site in bazaar.summary["sites"])


def _never_over(bazaar: Bazaar) -> bool:
    return all(
        count <= pool["capacity"]
        for pool in bazaar.problem["pools"]
        for count in [sum(row["pool"] == pool["id"] for row in bazaar.result["served"])]
    )


def _waited_first(bazaar: Bazaar) -> bool:
    """Nobody served outside the reserves began to wait after somebody who waits on and named the same location."""
    applicants = {one["id"]: one for one in bazaar.problem["applicants"]}
    longest: dict[str, str] = {}
    for row in bazaar.result["waiting"]:
        one = applicants[row["applicant"]]
        for pool in {pool for tier in one["choices"] for pool in tier}:
            longest[pool] = min(longest.get(pool, "9999"), one["waiting_since"])
    return all(
        applicants[row["applicant"]]["waiting_since"] <= longest.get(row["pool"], "9999")
        for row in bazaar.result["served"]
        if row["phase"] == 2
    )


def _left_out_come_in(bazaar: Bazaar) -> bool:
    seats = Counter(row["pool"] for row in bazaar.result["served"])
    return seats["kemayoran"] == seats["menteng"] == 30


def _copies_agree(sources: Mapping[str, Any], copies: Mapping[str, Mapping[str, Any]]) -> bool:
    return all(copy == sources[name] for service in copies.values() for name, copy in service.items())


def _told(kinds: Mapping[str, int], *bazaars: Bazaar) -> bool:
    """A message for each offer, promoted ones included, and one for each who waits; no more and no fewer."""
    offers = sum(len(bazaar.result["served"]) + bazaar.reoffered for bazaar in bazaars)
    waiting = sum(len(bazaar.result["waiting"]) for bazaar in bazaars)
    applications = sum(len(bazaar.applications) for bazaar in bazaars)
    return (kinds.get("booth-assigned"), kinds.get("applicant-queued")) == (offers, waiting) and applications == sum(
        len(bazaar.result["served"]) + len(bazaar.result["waiting"]) for bazaar in bazaars
    )


def _once(stats: Mapping[str, Any], phones: Mapping[str, Any], mail: Mapping[str, int]) -> bool:
    """By each channel as many arrived as notify says left by it, none of them doubled; no message is without one."""
    arrived = {**phones["arrived"], "email": mail["messages"]}
    return (
        mail["messages"] == mail["notifications"]
        and mail["duplicates"] == phones["duplicates"] == 0
        and arrived == stats["by_channel"]
        and sum(arrived.values()) == sum(stats["by_state"].values())
        and stats["by_state"].keys() <= {"sent", "delivered"}
    )


async def _queue(story: Story, bazaar: Bazaar) -> list[dict[str, Any]]:
    """The first ten of those who waited, with their reasons as they were told."""
    first = sorted(bazaar.result["waiting"], key=lambda row: row["place"])[:10]
    rows = []
    for row in first:
        shown = await story.doors.get("bazaar", f"/v1/applications/{row['applicant']}")
        rows.append(
            {
                "place_in_round": row["place"],
                "state_now": shown["state"],
                "because": row["because"],
                "ahead": row["ahead"],
                "forecast_round": row["forecast_round"],
                "explanation": (shown.get("explanation") or {}).get("en"),
            }
        )
    return rows


async def _events(story: Story, service: str) -> dict[str, Counter[str]]:
    published: Counter[str] = Counter()
    consumed: Counter[str] = Counter()
    for (name, labels), value in (await story.doors.metrics(service)).items():
        tags = dict(labels)
        if name == "lapak_events_relayed_total":
            published[tags["type"]] += int(value)
        elif name == "lapak_events_consumed_total" and tags["outcome"] == "applied":
            consumed[tags["type"]] += int(value)
    return {"published": published, "consumed": consumed}


def _total(events: Mapping[str, Mapping[str, Counter[str]]], which: str) -> dict[str, int]:
    total: Counter[str] = Counter()
    for counters in events.values():
        total.update(counters[which])
    return dict(total.most_common())


def _letters(samples: Mapping[tuple[str, tuple[tuple[str, str], ...]], float]) -> float:
    return sum(value for (name, _), value in samples.items() if name == "lapak_dead_letters")


# -- for people ------------------------------------------------------------------------------------


def show(figures: Mapping[str, Any], console: Console) -> None:
    """Print the report."""
    console.rule("[bold]Report")
    doors = ", ".join(f"{count} by {door}" for door, count in figures["vendors"]["by_door"].items())
    console.print(f"{figures['vendors']['registered']} vendors registered ({doors}); {figures['trained']} trained.")
    for row in figures["import_rejected_rows"]:
        console.print(f"  row refused, line {row['line']}: {row['field']}: {row['reason']}", markup=False)
    march = figures["applications"]["march"]
    refused = ", ".join(f"{count} {code}" for code, count in figures["applications_refused"].items())
    console.print(f"{march} applied for 180 booths in March (refused: {refused or 'none'}).")
    answers = ", ".join(f"{count} {what}" for what, count in figures["answers"].items())
    console.print(
        f"Of the {figures['offers']['march']} first offers {answers}; {figures['promotions']} went on to the next."
    )
    console.print(_sites("March, after its two days", figures["sites"]["march"]))
    console.print(_sites("April, offered", figures["sites"]["april"]))
    table = Table(title="First ten of the queue after the March round", title_justify="left")
    for column in ("place", "now", "what it is told now"):
        table.add_column(column)
    for row in figures["first_of_the_queue"]:
        table.add_row(str(row["place_in_round"]), row["state_now"], row["explanation"] or _came_in(row))
    console.print(table)
    console.print(_columns("Events", figures["events_published"], figures["events_consumed"]))
    kinds = ", ".join(f"{count} {kind}" for kind, count in figures["messages"]["by_kind"].items())
    console.print(f"Messages: {kinds}.")
    by_channel = ", ".join(f"{count} by {channel}" for channel, count in figures["messages"]["by_channel"].items())
    refused = ", ".join(f"{n} ({code})" for code, n in figures["messages"]["on_the_phones"]["refused"].items())
    console.print(f"They came: {by_channel}. Refused and sent by the next channel: {refused or 'none'}.")
    console.print(_phones(figures["phones"]))
    latency = figures["latency_seconds"]
    console.print(
        f"From the fact to its message: p50 {latency['p50']:.3f} s, p99 {latency['p99']:.3f} s "
        f"({latency['count']} messages)."
    )
    duplicates = figures["duplicates"]
    console.print(f"Duplicates sent on purpose: {duplicates['offered_on_purpose']}, refused: {duplicates['refused']}.")
    table = Table(title="Promises", title_justify="left", show_header=False)
    for promise, kept in figures["promises"].items():
        table.add_row("[green]kept[/]" if kept else "[bold red]BROKEN[/]", promise)
    console.print(table)


def _came_in(row: Mapping[str, Any]) -> str:
    """Who waits no longer has no explanation any more: the decision of then, in short."""
    pools = " and ".join(row["because"].get("pools", ()))
    then = f"All booths at {pools} went to others." if pools else f"{row['because']['code']}."
    return then if row["state_now"] == "withdrawn" else f"{then} One was given back later and offered to this vendor."


def _sites(title: str, rows: list[dict[str, Any]]) -> Table:
    columns = ("booths", "offered", "confirmed", "declined", "lapsed", "promoted", "checked_in", "missed")
    table = Table(title=title, title_justify="left")
    table.add_column("site", no_wrap=True)
    for column in (*columns, "turnover (Rp)"):
        table.add_column(column.replace("_", " "), justify="right")
    for row in rows:
        figures = [str(row[column]) for column in columns]
        table.add_row(row["site_id"], *figures, f"{row['turnover']:,}".replace(",", "."))
    return table


def _phones(rows: list[dict[str, Any]]) -> Table:
    """What came on some phones, in their words."""
    table = Table(title="On some of the phones", title_justify="left", show_lines=True)
    for column in ("phone", "when", "by", "words"):
        table.add_column(column, no_wrap=column != "words")
    for row in rows:
        when = datetime.fromtimestamp(row["at"], JAKARTA)
        words = Text(" ".join(row["words"].split()))
        by = "answers" if row["inbound"] else f"{row['channel']}, {row['status']}"
        table.add_row(row["phone"], f"{when:%d-%m %H:%M}", by, words)
    return table


def _columns(title: str, published: Mapping[str, int], consumed: Mapping[str, int]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("event")
    table.add_column("published", justify="right")
    table.add_column("consumed", justify="right")
    for name in dict.fromkeys((*published, *consumed)):
        table.add_row(name, str(published.get(name, 0)), str(consumed.get(name, 0)))
    return table
