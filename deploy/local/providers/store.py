"""Messages, reports that wait, accounts and templates in one SQLite file; as many messages per commit as have come."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

from deploy.local.providers.messages import Message, Report, Status, Step, status_at

__all__ = ["Due", "Store"]

SCHEMA = """
create table if not exists accounts (adapter text, key text, body text not null, primary key (adapter, key));
create table if not exists templates (
    account text, name text, language text, id integer not null, category text not null, components text not null,
    status text not null, decided_at real not null, primary key (account, name, language)
) without rowid;
create table if not exists messages (
    id integer primary key autoincrement,
    provider text not null, account text not null, message_id text not null, person text not null, sender text not null,
    text text not null, at real not null, inbound integer not null, reference text, kind text not null, template text,
    buttons text, callback text, parts integer not null, steps text not null
);
create index if not exists messages_person on messages (person, id);
create index if not exists messages_id on messages (message_id);
create table if not exists reports (
    id integer primary key autoincrement,
    lane text not null, due real not null, at real not null, status text not null, code integer, message_id text,
    body text, message integer, tries integer not null default 0
);
create index if not exists reports_due on reports (lane, due);
create table if not exists told (
    id integer primary key autoincrement,
    lane text not null, message_id text, reference text, status text not null, code integer
);
"""
ADD_MESSAGE = "insert into messages values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
ADD_REPORT = (
    "insert into reports (lane, due, at, status, code, message_id, body, message) values (?, ?, ?, ?, ?, ?, ?, ?)"
)
KEEP_TOLD = """
insert into told (lane, message_id, reference, status, code)
select r.lane, coalesce(r.message_id, m.message_id), m.reference, r.status, r.code
  from reports r left join messages m on m.id = r.message where r.id = ?
"""
FIND_DUE = """
select r.id, r.status, r.code, r.at, r.body, r.tries, r.due, coalesce(r.message_id, m.message_id) as message_id,
       m.person, m.sender, m.reference, m.callback, m.kind, m.template
  from reports r left join messages m on m.id = r.message
 where r.lane = ? and r.due <= ? order by r.due limit ?
"""
NEWEST = """
select * from messages
 where (:person is null or person = :person) and (:provider is null or provider = :provider)
   and (:account is null or account = :account) and (:inbound is null or inbound = :inbound)
   and id < :before order by id desc limit :limit
"""
SINCE = """
select * from messages
 where (:person is null or person = :person) and (:provider is null or provider = :provider)
   and (:account is null or account = :account) and (:inbound is null or inbound = :inbound)
   and id > :after and id < :before order by id limit :limit
"""
COUNT = """
select count(*) as messages, count(distinct person) as recipients, count(distinct reference) as "references",
       count(reference) - count(distinct reference) as duplicate_references
  from messages
 where not inbound and (:person is null or person = :person) and (:provider is null or provider = :provider)
"""
COUNT_AGAIN = """
select coalesce(sum(times - 1), 0) from (
    select count(*) as times from messages
     where not inbound and (:person is null or person = :person) and (:provider is null or provider = :provider)
       and steps not like '%failed%'
     group by person, provider = 'whatsapp', text)
"""
ID_MAX = 2**62
Due = sqlite3.Row


class Store:
    """One file. Writing happens on one thread at a time (a lock); every read of `find...` has its own connection."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "providers.sqlite3"
        self._lock = threading.Lock()
        self._writer = self._open()
        self._writer.execute("pragma journal_mode=wal")
        self._writer.execute("pragma synchronous=normal")  # survives our own death, which is what tests cause
        self._writer.executescript(SCHEMA)
        self._reports = self._open()
        newest = self._writer.execute("select seq from sqlite_sequence where name = 'messages'").fetchone()
        self._next = (newest[0] if newest else 0) + 1

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=30, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        return connection

    def add(self, batch: Sequence[tuple[Message | None, Sequence[Report]]]) -> None:
        """Store messages, each with what will be reported of it, in one transaction."""
        messages: list[tuple[Any, ...]] = []
        reports: list[tuple[Any, ...]] = []
        with self._lock:
            number = self._next
            for message, coming in batch:
                if message is not None:
                    messages.append((number, *_values(message)))
                place = None if message is None else number
                reports += [(r.lane, r.due, r.at, r.status, r.code, r.message_id, r.body, place) for r in coming]
                number += message is not None
            with self._writer:
                self._writer.executemany(ADD_MESSAGE, messages)
                self._writer.executemany(ADD_REPORT, reports)
            self._next = number

    def due(self, lane: str, now: float, limit: int) -> list[Due]:
        """Reports of an account whose moment has come, oldest first. For one thread at a time."""
        return self._reports.execute(FIND_DUE, (lane, now, limit)).fetchall()

    def next_due(self, lane: str) -> float | None:
        """When the next report of an account is due."""
        (found,) = self._reports.execute("select min(due) from reports where lane = ?", (lane,)).fetchone()
        return None if found is None else float(found)

    def settle(self, done: Sequence[int], again: Sequence[tuple[float, int]] = (), *, kept: Sequence[int] = ()) -> None:
        """Reports that are done with; those (new moment, number) that are tried again; of the first, those that a
        webhook took and that are to be remembered.
        """
        with self._lock, self._writer:
            self._writer.executemany(KEEP_TOLD, [(number,) for number in kept])
            self._writer.executemany("delete from reports where id = ?", [(number,) for number in done])
            self._writer.executemany("update reports set due = ?, tries = tries + 1 where id = ?", again)

    def told(self, after: int, limit: int) -> list[dict[str, Any]]:
        """What webhooks took, oldest first, of accounts that keep it."""
        query = "select * from told where id > ? order by id limit ?"
        with self._reading() as connection:
            return [dict(row) for row in connection.execute(query, (after, limit))]

    def pending(self) -> dict[str, int]:
        """How many reports wait, by account."""
        with self._reading() as connection:
            return dict(connection.execute("select lane, count(*) from reports group by lane").fetchall())

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with contextlib.closing(self._open()) as connection:
            yield connection

    # --- accounts and templates

    def save_account(self, adapter: str, key: str, body: str) -> None:
        """Add an account or change it."""
        with self._lock, self._writer:
            self._writer.execute("insert or replace into accounts values (?, ?, ?)", (adapter, key, body))

    def accounts(self) -> list[str]:
        """All accounts as JSON."""
        with self._reading() as connection:
            return [row[0] for row in connection.execute("select body from accounts order by adapter, key")]

    def save_template(self, values: tuple[str, str, str, int, str, str, str, float]) -> None:
        """Add a template or change it: the columns of its table."""
        with self._lock, self._writer:
            self._writer.execute("insert or replace into templates values (?, ?, ?, ?, ?, ?, ?, ?)", values)

    def templates(self) -> list[sqlite3.Row]:
        """All templates."""
        with self._reading() as connection:
            return connection.execute("select * from templates order by account, id").fetchall()

    # --- messages

    def find(
        self,
        *,
        to: str = "",
        provider: str = "",
        account: str = "",
        inbound: bool | None = None,
        limit: int = 100,
        after: int | None = None,
        before: int | None = None,
        now: float,
    ) -> list[dict[str, Any]]:
        """Messages to or from a person, newest first; with `after`, those with a greater id, oldest first."""
        asked = {
            "person": to.lstrip("+") or None,
            "provider": provider or None,
            "account": account or None,
            "inbound": inbound,
            "after": after,
            "before": ID_MAX if before is None else before,
            "limit": limit,
        }
        with self._reading() as connection:
            return [_row(row, now) for row in connection.execute(NEWEST if after is None else SINCE, asked)]

    def one(self, message_id: str, now: float) -> dict[str, Any] | None:
        """A message by the provider's id."""
        with self._reading() as connection:
            row = connection.execute("select * from messages where message_id = ?", (message_id,)).fetchone()
        return None if row is None else _row(row, now)

    def people(self, limit: int, before: int | None = None) -> list[dict[str, Any]]:
        """Everybody with their last message, the latest first."""
        query = (
            "select person, count(*) as messages, max(id) as id, text, provider, inbound, at from messages"
            " group by person having max(id) < ? order by max(id) desc limit ?"
        )
        with self._reading() as connection:
            return [dict(row) for row in connection.execute(query, (before or ID_MAX, limit))]

    def met(self, account: str, *, inbound: bool, since: float) -> list[tuple[str, float]]:
        """Whom an account met since then, and when last, oldest first: for the limits of an emulator started anew."""
        query = (
            "select person, max(at) as last from messages where account = ? and inbound = ? and at > ?"
            " and (inbound or kind = 'template') group by person order by last"
        )
        with self._reading() as connection:
            return [(row[0], row[1]) for row in connection.execute(query, (account, inbound, since))]

    def count(self, *, to: str = "", provider: str = "") -> dict[str, int]:
        """How many went out, to how many people.

        `duplicate_references`: carry a reference of ours that came before. `duplicate_texts`: the same words went to
        the same person before, on the same channel, and were not reported as failed.
        """
        asked = {"person": to.lstrip("+") or None, "provider": provider or None}
        with self._reading() as connection:
            counts = dict(connection.execute(COUNT, asked).fetchone())
            counts["duplicate_texts"] = connection.execute(COUNT_AGAIN, asked).fetchone()[0]
            counts["inbound"] = connection.execute("select count(*) from messages where inbound").fetchone()[0]
        return counts

    def clear(self) -> int:
        """Forget all messages and reports; ids go on from where they were."""
        with self._lock, self._writer:
            self._writer.execute("delete from reports")
            self._writer.execute("delete from told")
            return self._writer.execute("delete from messages").rowcount

    def close(self) -> None:
        """Close what is open."""
        self._writer.close()
        self._reports.close()


def _values(message: Message) -> tuple[Any, ...]:
    return (
        message.provider,
        message.account,
        message.message_id,
        message.person,
        message.sender,
        message.text,
        message.at,
        message.inbound,
        message.reference,
        message.kind,
        message.template,
        json.dumps(message.buttons) if message.buttons else None,
        message.callback,
        message.parts,
        " ".join(f"{s.status}:{s.due:.3f}:{s.code or ''}" for s in message.steps),
    )


def _steps(text: str) -> tuple[Step, ...]:
    split = [step.split(":") for step in text.split()]
    return tuple(Step(cast(Status, status), float(due), int(code) if code else None) for status, due, code in split)


def _row(row: sqlite3.Row, now: float) -> dict[str, Any]:
    shown = dict(row)
    steps = _steps(shown.pop("steps"))
    reached = status_at(steps, now)
    shown["inbound"] = bool(row["inbound"])
    shown["taken_at"] = steps[0].due if steps else row["at"]  # by the world's clock; `at` is by the people's
    shown["buttons"] = [{"title": title, "payload": payload} for title, payload in json.loads(row["buttons"] or "[]")]
    shown["status"] = reached.status if reached else "accepted"
    shown["code"] = reached.code if reached else None
    return shown
