"""`lapak notify show | find | unknown | resend | settle | pause | resume | providers | figures | suppressions`."""

import json
from typing import Annotated, Any
from urllib.parse import quote
from uuid import UUID

import typer

from services.notify.cli.asking import (
    NOTIFY_URL,
    AsJson,
    Limit,
    Reason,
    Token,
    Url,
    asking,
    in_words,
    refuse,
    say,
    show,
    show_rows,
)

MESSAGE = ("notification_id", "template", "vendor_id", "state", "reason", "channel", "attempts", "planned_at")
NOBODY = "No message was found."

Message = Annotated[UUID, typer.Argument(metavar="ID", help="Id of the message (notification_id).")]
What = Annotated[str, typer.Argument(metavar="WHAT", help="Name of a provider, or the id of a broadcast.")]


def show_message(message: Message, token: Token, url: Url = NOTIFY_URL, as_json: AsJson = False) -> None:
    """A message's whole life: cause, plan, each attempt with the words that left and what its provider reported, its
    events.
    """
    with asking(url, token) as office:
        found = office.get(f"/notifications/{message}")
    show(found if as_json else _readable(found), as_json=as_json)


def _readable(found: dict[str, Any]) -> dict[str, Any]:
    """A message as people read it: words once, where they left; the inbox's only where nothing else did; an event a
    line.
    """
    attempts = []
    seen: dict[str, int] = {}
    for one in found.pop("attempt_list"):
        words = one.pop("words")
        first = seen.setdefault(json.dumps([one["channel"], words]), one["number"])
        if words is not None:
            one["words"] = words if first == one["number"] else f"as in attempt {first}"
        attempts.append(one)
    shown = {name: value for name, value in found.items() if name not in ("text", "told", "told_untraced")}
    if not any("words" in one for one in attempts):
        shown["text"] = found["text"]
    shown["attempt_list"] = attempts
    shown["told"] = [
        " ".join(
            in_words(part) for part in (one["version"], one["type"], one["at"], one["channel"], one["reason"]) if part
        )
        for one in found["told"]
    ]
    if found["told_untraced"]:
        shown["told"].append(f"and {found['told_untraced']} of which only the number is kept")
    return shown


def find(
    token: Token,
    vendor: Annotated[UUID | None, typer.Option(help="Messages to this vendor.")] = None,
    phone: Annotated[str | None, typer.Option(help="Messages to whoever has this phone, as in +62812...")] = None,
    email: Annotated[str | None, typer.Option(help="Messages to whoever has this e-mail address.")] = None,
    reference: Annotated[str | None, typer.Option(help="The reference of the system that asked for it.")] = None,
    provider: Annotated[str | None, typer.Option(help="With --message-id: the provider.")] = None,
    message_id: Annotated[str | None, typer.Option(help="With --provider: the provider's id of it.")] = None,
    template: Annotated[str | None, typer.Option(help="Only of this template.")] = None,
    state: Annotated[str | None, typer.Option(help="Only in this state.")] = None,
    limit: Limit = 50,
    url: Url = NOTIFY_URL,
    as_json: AsJson = False,
) -> None:
    """Find messages, newest first. A phone or an e-mail address does not stand in any log of the service."""
    ways = [one for one in (vendor, phone, email, reference, message_id) if one is not None]
    if len(ways) > 1:
        refuse("Give only one of --vendor, --phone, --email, --reference and --message-id.")
    if (provider is None) != (message_id is None):
        refuse("--provider and --message-id belong together.")
    if (reference or message_id) is not None and (template or state) is not None:
        refuse("--template and --state choose among many; --reference and --message-id find by themselves.")
    with asking(url, token) as office:
        query: dict[str, Any] = {"template": template, "state": state}
        if phone is not None or email is not None:
            body = {"phone": phone} if email is None else {"email": email}
            vendors = office.post("/notifications/people", body)["vendor_ids"]
            rows = [row for one in vendors for row in office.rows("/notifications", limit, vendor_id=one, **query)]
            rows = sorted(rows, key=lambda row: str(row["notification_id"]), reverse=True)[:limit]
        elif reference is not None:
            rows = office.rows("/notifications", limit, reference=reference)
        elif message_id is not None:
            rows = office.rows("/notifications", limit, provider=provider, message_id=message_id)
        else:
            rows = office.rows("/notifications", limit, vendor_id=None if vendor is None else str(vendor), **query)
    show_rows(rows, MESSAGE, as_json=as_json, nothing=NOBODY)


def unknown(token: Token, limit: Limit = 50, url: Url = NOTIFY_URL, as_json: AsJson = False) -> None:
    """Messages of which nobody knows whether they left: look at the provider, then settle them."""
    with asking(url, token) as office:
        rows = office.rows("/notifications", limit, state="unknown")
    show_rows(rows, MESSAGE, as_json=as_json, nothing="No message is unknown.")


def resend(
    message: Message,
    reason: Reason,
    token: Token,
    again: Annotated[
        bool, typer.Option("--again", help="Also if it was sent, or nobody knows: the person may get it twice.")
    ] = False,
    deadline: Annotated[
        str | None, typer.Option(help="Until when it is worth something, as in 2026-03-01T17:00+07:00.")
    ] = None,
    url: Url = NOTIFY_URL,
    as_json: AsJson = False,
) -> None:
    """Send a message again that did not reach the person: a new one, linked to it."""
    with asking(url, token) as office:
        sent = office.post(f"/notifications/{message}/resend", {"reason": reason, "again": again, "deadline": deadline})
    show(sent, as_json=as_json)


def settle(
    message: Message,
    outcome: Annotated[str, typer.Option(help="What the provider's log says: sent or not-sent.")],
    reason: Reason,
    token: Token,
    url: Url = NOTIFY_URL,
    as_json: AsJson = False,
) -> None:
    """Say what became of an unknown message. One that was not sent is sent again by itself."""
    if outcome not in ("sent", "not-sent"):
        refuse("--outcome is sent or not-sent.")
    with asking(url, token) as office:
        settled = office.post(f"/notifications/{message}/settle", {"outcome": outcome, "reason": reason})
    show(settled, as_json=as_json)


def pause(
    what: What,
    reason: Annotated[
        str,
        typer.Option(
            help="Why; it is kept. Of a provider: account, complaints, cost, maintenance, quality, test or other."
        ),
    ],
    token: Token,
    url: Url = NOTIFY_URL,
    as_json: AsJson = False,
) -> None:
    """Let nothing leave through a provider, or hold what is left of a broadcast."""
    _turn(what, "pause", reason, token, url, as_json)


def resume(
    what: What,
    reason: Annotated[
        str, typer.Option(help="Why; it is kept. Of a provider: settled, maintenance-over, test or other.")
    ],
    token: Token,
    url: Url = NOTIFY_URL,
    as_json: AsJson = False,
) -> None:
    """Use a provider again, or let a broadcast go on."""
    _turn(what, "resume", reason, token, url, as_json)


def _turn(what: str, act: str, reason: str, token: str, url: str, as_json: bool) -> None:
    try:
        path = f"/broadcasts/{UUID(what)}/{act}"
    except ValueError:
        path = f"/providers/{quote(what, safe='')}/{act}"
    with asking(url, token) as office:
        found = office.post(path, {"reason": reason})
    show(found, as_json=as_json)


def providers(token: Token, url: Url = NOTIFY_URL, as_json: AsJson = False) -> None:
    """How each provider is; of its people and rupiah of the day, what is left for broadcasts and for offers."""
    with asking(url, token) as office:
        rows = office.get("/providers")["items"]
        budgets = {one["provider"]: one for one in office.get("/budgets")["items"]}
    for row in rows:
        budget = budgets.get(row["provider"], {"people": None, "money": None})
        row["people_left"], row["rupiah_left"] = _left(budget["people"]), _left(budget["money"])
    columns: tuple[str, ...] = (
        "provider",
        "channel",
        "paused",
        "share_percent",
        "open_seconds",
        "down_seconds",
        "code",
    )
    columns += ("people_left", "rupiah_left")
    show_rows(rows, columns, as_json=as_json, nothing="There is no provider.")


def _left(budget: dict[str, Any] | None) -> str | None:
    """`for broadcasts / for offers`; None: there is no limit."""
    if budget is None or budget["left_for_offers"] is None:
        return None
    return f"{budget['left_for_broadcasts']} / {budget['left_for_offers']}"


def figures(
    token: Token,
    first: Annotated[str | None, typer.Option("--from", help="First day in Jakarta; a week ago.")] = None,
    last: Annotated[str | None, typer.Option("--to", help="Last day; today.")] = None,
    by: Annotated[str, typer.Option(help="day, channel, provider, template, lane, code; with commas.")] = "channel",
    about: Annotated[str, typer.Option(help="attempt (tries at channels) or message.")] = "attempt",
    mode: Annotated[str, typer.Option(help="normal, team or test: by which kind of key.")] = "normal",
    url: Url = NOTIFY_URL,
    as_json: AsJson = False,
) -> None:
    """How many, what became of them, how long it took (seconds); of attempts also their SMS parts and what they cost.

    delivered_rate: of those that a provider took, the share reported as delivered. Mail servers report none: what they
    took and did not return is not_told, and in no delivered_rate.
    """
    with asking(url, token) as office:
        query = {"from": first, "to": last, "by": by, "about": about, "mode": mode}
        found = office.get("/figures", **query)
    if as_json:
        show(found, as_json=True)
        return
    rows = []
    for one in found["items"]:
        rupiah = one["cost_millirupiah"] / 1000
        unknown = {"delivered_rate": "not told"} if one["not_told"] else {}
        rated = {f"{name}_rate": share for name, share in one["rates"].items()}
        rows.append({**one["by"], **one, "rupiah": rupiah, **unknown, **rated})
    columns = [*by.replace(" ", "").split(",")] if by else []
    columns += ["n", "outcomes", "not_told", "delivered_rate", "p50_seconds", "p95_seconds", "p99_seconds"]
    if found["about"] == "attempt":
        columns += ["segments", "rupiah"]
    say(f"{found['first']} to {found['last']}, {found['about']}s, {found['mode']}")
    show_rows(rows, columns, as_json=False, nothing="Nothing was counted in these days.")


def suppressions(
    token: Token,
    reason: Annotated[
        str | None, typer.Option(help="Only bounced, complained, unreachable, stopped or invalid.")
    ] = None,
    limit: Limit = 50,
    url: Url = NOTIFY_URL,
    as_json: AsJson = False,
) -> None:
    """Addresses that are not written to, and why. The addresses themselves are not kept."""
    with asking(url, token) as office:
        rows = office.rows("/suppressions", limit, reason=reason)
    columns = ("suppression_id", "channel", "reason", "since", "until", "times", "evidence")
    show_rows(rows, columns, as_json=as_json, nothing="No address is suppressed.")
