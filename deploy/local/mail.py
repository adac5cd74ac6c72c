"""A catcher of mail: a real SMTP server that delivers to nobody and shows what it took.

Run as `python -m deploy.local.mail --smtp-port N --http-port N --store DIR`, on loopback, for development only.
A message is stored, in one SQLite file, before the sender is told 250; many at once share a commit. Memory is
bounded by the number of connections and the size of a message. Pages for people at `/`, JSON for programs:

    GET    /messages?to=&subject=&limit=&after=&before=    newest first; with `after`, oldest first from there
    GET    /messages/{id}    GET /messages/{id}/raw         one, decoded, or as it came
    GET    /messages/{id}/files/{number}                    a file that it carries
    GET    /count?to=&subject=                              messages, recipients, notifications, duplicates
    GET    /recipients?limit=                               who got how many
    DELETE /messages
    GET, POST /faults                                       misbehave on purpose: `Faults`

`to` with an @ is a whole address, without one a part of it; `subject` is a part.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import email.header
import email.parser
import email.policy
import hashlib
import random
import signal
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NamedTuple, cast
from urllib.parse import quote, urlencode

import httpx
import jinja2
import uvicorn
from aiosmtpd.smtp import SMTP, Envelope, Session
from fastapi import FastAPI, HTTPException, Query, Response
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, ConfigDict, Field, SecretStr
from starlette.middleware.trustedhost import TrustedHostMiddleware

from deploy.local.committing import SharedCommits
from deploy.local.mail_bounces import write_bounce

HOST = "127.0.0.1"
MESSAGE_BYTES_MAX = 10 * 1024 * 1024
"""As many mail servers have it. The catcher says so to whoever asks (EHLO, SIZE)."""
CONNECTIONS_MAX = 200
WAITING_MAX = 1000
BOUNCES_MAX = 1000
"""On their way at once; more are not made."""
POST_TRIES = 30
POST_SECONDS = 1.0
NOTIFICATION_HEADER = "X-Lapak-Notification"

SCHEMA = """
create table if not exists messages (
    id integer primary key autoincrement,
    received_at text not null,
    sender text not null,
    recipients text not null,
    from_header text not null,
    subject text not null,
    message_id text,
    notification text,
    raw blob not null
);
create index if not exists messages_notification on messages (notification) where notification is not null;
create table if not exists recipients (
    recipient text not null,
    message integer not null references messages (id),
    primary key (recipient, message)
) without rowid;
create view if not exists listed as
select id, received_at, sender, recipients, from_header, subject, message_id, notification, length(raw) as size
  from messages;
"""
NEWEST = """
select * from listed
 where (:exact is null or id in (select message from recipients where recipient = :exact))
   and (:part is null or id in (select message from recipients where recipient like :part escape '\\'))
   and (:subject is null or subject like :subject escape '\\')
   and id < :before order by id desc limit :limit
"""
SINCE = """
select * from listed
 where (:exact is null or id in (select message from recipients where recipient = :exact))
   and (:part is null or id in (select message from recipients where recipient like :part escape '\\'))
   and (:subject is null or subject like :subject escape '\\')
   and id > :after and id < :before order by id limit :limit
"""
COUNT = """
with found as materialized (
    select id, notification from listed
     where (:exact is null or id in (select message from recipients where recipient = :exact))
       and (:part is null or id in (select message from recipients where recipient like :part escape '\\'))
       and (:subject is null or subject like :subject escape '\\')
)
select count(*) as messages, count(distinct notification) as notifications,
       count(notification) - count(distinct notification) as duplicates,
       (select count(distinct recipient) from recipients where message in (select id from found)) as recipients
  from found
"""
ID_MAX = 2**62


class Faults(BaseModel):
    """How to misbehave; the default is not to."""

    model_config = ConfigDict(extra="forbid")

    reject_rate: float = Field(default=0.0, ge=0, le=1, description="share of messages refused with 451, not stored")
    delay_ms: int = Field(default=0, ge=0, le=60_000, description="wait before every answer to DATA")
    drop_after_data: int = Field(default=0, ge=0, description="so many messages are stored, then cut without an answer")
    bounce_to: str = Field(
        default="",
        max_length=254,
        description="what is sent to addresses with this in them is stored, and comes back to the envelope's sender",
    )
    bounce_status: str = Field(default="5.1.1", pattern=r"^[245]\.\d{1,3}\.\d{1,3}$", description="with this status")
    bounce_after_ms: int = Field(default=0, ge=0, le=600_000, description="and so long after")
    bounce_post: str | None = Field(
        default=None,
        pattern=r"^http://(127\.0\.0\.1|localhost)(:\d{1,5})?/",
        description="where such a bounce is brought, as a server does that pipes it; none: it is only stored",
    )
    bounce_token: SecretStr | None = Field(default=None, description="bearer token to bring it with")


# --- the store -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Caught:
    """One message as it came, with what its header says."""

    received_at: str
    sender: str
    recipients: tuple[str, ...]
    from_header: str
    subject: str
    message_id: str | None
    notification: str | None
    raw: bytes


def read_header(sender: str, recipients: list[str], raw: bytes) -> Caught:
    """Take apart what the lists and searches need; a malformed header is shown as it is, never an error."""
    head = raw.split(b"\r\n\r\n", 1)[0]
    header = email.parser.BytesHeaderParser(policy=email.policy.compat32).parsebytes(head)
    return Caught(
        received_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        sender=sender,
        recipients=tuple(dict.fromkeys(recipient.lower() for recipient in recipients)),
        from_header=decoded(header.get("From")) or "",
        subject=decoded(header.get("Subject")) or "",
        message_id=decoded(header.get("Message-ID")),
        notification=decoded(header.get(NOTIFICATION_HEADER)),
        raw=raw,
    )


def decoded(value: object) -> str | None:
    """A header's value as text."""
    if value is None:
        return None
    text = str(value)
    if "=?" in text:
        with contextlib.suppress(ValueError, LookupError):  # malformed or of an unknown charset: as it came
            text = str(email.header.make_header(email.header.decode_header(text)))
    return " ".join(text.split())


class Store:
    """Messages in one SQLite file. Writing is for one thread; every read opens a connection of its own."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "mail.sqlite3"
        self._writer = sqlite3.connect(self._path, timeout=30, check_same_thread=False)
        self._writer.execute("pragma journal_mode=wal")
        self._writer.execute("pragma synchronous=normal")  # survives our own death, which is what tests cause
        self._writer.executescript(SCHEMA)

    def add(self, batch: list[Caught]) -> None:
        """Store several messages in one transaction."""
        with self._writer:
            for caught in batch:
                row = self._writer.execute(
                    "insert into messages (received_at, sender, recipients, from_header, subject, message_id,"
                    " notification, raw) values (?, ?, ?, ?, ?, ?, ?, ?)",
                    (
                        caught.received_at,
                        caught.sender,
                        "\n".join(caught.recipients),
                        caught.from_header,
                        caught.subject,
                        caught.message_id,
                        caught.notification,
                        caught.raw,
                    ),
                )
                self._writer.executemany(
                    "insert into recipients (recipient, message) values (?, ?)",
                    [(recipient, row.lastrowid) for recipient in caught.recipients],
                )

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with contextlib.closing(sqlite3.connect(self._path, timeout=30)) as connection:
            connection.row_factory = sqlite3.Row
            yield connection

    def find(
        self, *, to: str, subject: str, limit: int, after: int | None = None, before: int | None = None
    ) -> list[dict[str, Any]]:
        """Messages that match, newest first; with `after`, those with a greater id, oldest first."""
        asked = {
            **_matching(to, subject),
            "limit": limit,
            "after": after,
            "before": ID_MAX if before is None else before,
        }
        with self._reading() as connection:
            return [_row(row) for row in connection.execute(NEWEST if after is None else SINCE, asked)]

    def get(self, number: int) -> tuple[dict[str, Any], bytes] | None:
        """One message: its row and its source."""
        with self._reading() as connection:
            query = "select listed.*, raw from listed join messages using (id) where id = ?"
            row = connection.execute(query, [number]).fetchone()
        return None if row is None else (_row(row), bytes(row["raw"]))

    def count(self, *, to: str = "", subject: str = "") -> dict[str, int]:
        """How many messages match, to how many recipients; `duplicates` carry a notification that came before."""
        with self._reading() as connection:
            return dict(connection.execute(COUNT, _matching(to, subject)).fetchone())

    def recipients(self, limit: int) -> list[dict[str, Any]]:
        """Recipients with their number of messages, most first."""
        query = (
            "select recipient, count(*) as messages from recipients group by recipient"
            " order by messages desc, recipient limit ?"
        )
        with self._reading() as connection:
            return [dict(row) for row in connection.execute(query, [limit])]

    def clear(self) -> int:
        """Forget all messages; ids go on from where they were."""
        with self._reading() as connection, connection:
            connection.execute("delete from recipients")
            return connection.execute("delete from messages").rowcount

    def close(self) -> None:
        """Close the writing connection."""
        self._writer.close()


def _matching(to: str, subject: str) -> dict[str, str | None]:
    """What the queries ask for: a whole address or a part of one, and a part of the subject."""
    is_whole = "@" in to
    return {
        "exact": to.lower() if is_whole else None,
        "part": _part(to) if to and not is_whole else None,
        "subject": _part(subject) if subject else None,
    }


def _part(text: str) -> str:
    for special in ("\\", "%", "_"):
        text = text.replace(special, "\\" + special)
    return f"%{text}%"


def _row(row: sqlite3.Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "received_at": row["received_at"],
        "envelope_from": row["sender"],
        "to": row["recipients"].split("\n"),
        "from": row["from_header"],
        "subject": row["subject"],
        "message_id": row["message_id"],
        "notification": row["notification"],
        "size": row["size"],
    }


class AttachedFile(NamedTuple):
    """A file that a message carries."""

    name: str
    media_type: str
    content: bytes


def read_files(raw: bytes) -> list[AttachedFile]:
    """The files of a message, in their order."""
    message = email.message_from_bytes(raw, policy=email.policy.default)
    found = []
    for part in message.walk():
        name, content = part.get_filename(), part.get_payload(decode=True)
        if name is not None and isinstance(content, bytes):
            found.append(AttachedFile(name, part.get_content_type(), content))
    return found


def read_body(raw: bytes) -> dict[str, Any]:
    """Headers, text and HTML of a message, decoded; of its files name, type, size and hash, numbered from 1."""
    message = email.message_from_bytes(raw, policy=email.policy.default)
    parts: dict[str, Any] = {"headers": [[name, decoded(value)] for name, value in message.raw_items()]}
    for kind in ("plain", "html"):
        part = message.get_body(preferencelist=(kind,))
        content: Any = None
        if part is not None:
            try:
                content = part.get_content()
            except (LookupError, ValueError):  # an unknown charset or a broken encoding
                payload = part.get_payload(decode=True)
                content = payload.decode(errors="replace") if isinstance(payload, bytes) else str(payload)
        parts["text" if kind == "plain" else "html"] = content
    parts["files"] = [
        {
            "number": number,
            "name": file.name,
            "media_type": file.media_type,
            "size": len(file.content),
            "sha256": hashlib.sha256(file.content).hexdigest(),
        }
        for number, file in enumerate(read_files(raw), start=1)
    ]
    return parts


# --- SMTP ----------------------------------------------------------------------------------------


@dataclass
class Catcher:
    """Takes messages from all connections to the store, as many per commit as have come."""

    store: Store
    faults: Faults = field(default_factory=Faults)
    connections: int = 0

    def __post_init__(self) -> None:
        self.commits = SharedCommits(self.store.add, waiting_max=WAITING_MAX)
        self._bounces: set[asyncio.Task[None]] = set()

    async def handle_DATA(self, server: Connection, session: Session, envelope: Envelope) -> str:
        """Called by aiosmtpd when a message is complete; the answer to the sender is returned."""
        if self.faults.delay_ms:
            await asyncio.sleep(self.faults.delay_ms / 1000)
        if self.faults.reject_rate and random.random() < self.faults.reject_rate:
            return "451 4.3.0 Refused on purpose"
        content = envelope.content
        raw = content if isinstance(content, bytes) else (content or "").encode()
        try:
            await self.commits.store(read_header(envelope.mail_from or "", list(envelope.rcpt_tos), raw))
        except sqlite3.Error as error:
            return f"451 4.3.0 Not stored: {error}"
        self._bounce(envelope.mail_from or "", list(envelope.rcpt_tos), raw)
        if self.faults.drop_after_data:
            self.faults.drop_after_data -= 1
            server.cut()
        return "250 2.0.0 Stored"

    def _bounce(self, sender: str, recipients: list[str], raw: bytes) -> None:
        """Have what was asked for come back. What has no sender never does: bounces of bounces would not end."""
        wanted = self.faults.bounce_to.lower()
        if not wanted or not sender:
            return
        for recipient in recipients:
            if wanted in recipient.lower() and len(self._bounces) < BOUNCES_MAX:
                task = asyncio.create_task(self._come_back(sender, recipient, raw, self.faults))
                self._bounces.add(task)
                task.add_done_callback(self._bounces.discard)

    async def _come_back(self, sender: str, recipient: str, raw: bytes, faults: Faults) -> None:
        bounce = write_bounce(sender, recipient, raw, faults.bounce_status)
        await asyncio.sleep(faults.bounce_after_ms / 1000)
        await self.commits.store(read_header("", [sender], bounce))
        if faults.bounce_post is not None:
            await _bring(bounce, faults.bounce_post, faults.bounce_token)

    def close(self) -> None:
        """Let the batch being written end, then close the store."""
        for task in list(self._bounces):
            task.cancel()
        self.commits.close()
        self.store.close()


async def _bring(bounce: bytes, url: str, token: SecretStr | None) -> None:
    """Bring a bounce to whoever reads them, again for a while should that one be away, as a mail server does."""
    headers = {
        "Authorization": f"Bearer {'' if token is None else token.get_secret_value()}",
        "Content-Type": "message/rfc822",
        "Idempotency-Key": f"mail-{hashlib.sha256(bounce).hexdigest()}",
    }
    async with httpx.AsyncClient(
        timeout=10, verify=False
    ) as client:  # plain HTTP on loopback; certificates load slowly
        for _ in range(POST_TRIES):
            with contextlib.suppress(httpx.HTTPError):
                answer = await client.post(url, content=bounce, headers=headers)
                if answer.status_code < 429:
                    return
            await asyncio.sleep(POST_SECONDS)


class Connection(SMTP):
    """One client. Past the limit of connections it is turned away at once, as real servers do."""

    def __init__(self, catcher: Catcher) -> None:
        super().__init__(
            catcher,
            hostname="localhost",
            ident="Lapak mail catcher",
            data_size_limit=MESSAGE_BYTES_MAX,
            enable_SMTPUTF8=True,
            loop=asyncio.get_running_loop(),
        )
        self._catcher = catcher
        self._counted = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the client, or refuse it."""
        if self._catcher.connections >= CONNECTIONS_MAX:
            client = cast(asyncio.Transport, transport)
            client.write(b"421 4.3.2 Too many connections\r\n")
            client.close()
            return
        self._catcher.connections += 1
        self._counted = True
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        """The client is gone."""
        if self._counted:
            self._catcher.connections -= 1
            super().connection_lost(error)

    def data_received(self, data: bytes) -> None:
        """Bytes of a client that was refused are not read."""
        if self._counted:
            super().data_received(data)

    def eof_received(self) -> bool | None:
        """The same for its end."""
        return bool(super().eof_received()) if self._counted else False

    def cut(self) -> None:
        """Break the connection without a word."""
        if self.transport is not None:
            cast(asyncio.Transport, self.transport).abort()


# --- HTTP ----------------------------------------------------------------------------------------

Limit = Annotated[int, Query(ge=1, le=10_000)]
_pages = jinja2.Environment(loader=jinja2.FileSystemLoader(Path(__file__).with_name("mail_pages")), autoescape=True)
_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; form-action 'self'"
}
# What somebody sent runs nothing and loads nothing, also where it is opened by itself.
_SENT_HEADERS = {
    "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:",
    "X-Content-Type-Options": "nosniff",
}


def pages_and_json(catcher: Catcher) -> FastAPI:
    """The application that shows what the catcher holds."""
    app = FastAPI(title="Lapak mail catcher", docs_url=None, redoc_url=None)
    # A page elsewhere whose name resolves to loopback must not read or delete.
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])
    store = catcher.store

    def page(template: str, **values: Any) -> HTMLResponse:
        html = _pages.get_template(template).render(counts=store.count(), **values)
        return HTMLResponse(html, headers=_PAGE_HEADERS)

    def one(number: int) -> tuple[dict[str, Any], bytes]:
        found = store.get(number)
        if found is None:
            raise HTTPException(404, "No such message.")
        return found

    @app.get("/", include_in_schema=False)
    def index(to: str = "", subject: str = "", before: int | None = None) -> HTMLResponse:
        messages = store.find(to=to, subject=subject, limit=100, before=before)
        rest = {"to": to, "subject": subject, "before": messages[-1]["id"]} if len(messages) == 100 else None
        older = "/?" + urlencode(rest) if rest else None
        return page("list.html", messages=messages, to=to, subject=subject, older=older)

    @app.get("/read/{number}", include_in_schema=False)
    def read(number: int) -> HTMLResponse:
        row, raw = one(number)
        return page("message.html", message={**row, "from_": row["from"], **read_body(raw)})

    @app.get("/messages")
    def messages(
        to: str = "",
        subject: str = "",
        limit: Limit = 100,
        after: int | None = None,
        before: int | None = None,
    ) -> dict[str, Any]:
        return {"messages": store.find(to=to, subject=subject, limit=limit, after=after, before=before)}

    @app.get("/messages/{number}")
    def message(number: int) -> dict[str, Any]:
        row, raw = one(number)
        return {**row, **read_body(raw)}

    @app.get("/messages/{number}/raw")
    def source(number: int) -> Response:
        return Response(
            one(number)[1], media_type="text/plain; charset=utf-8", headers={"X-Content-Type-Options": "nosniff"}
        )

    @app.get("/messages/{number}/html", include_in_schema=False)
    def as_html(number: int) -> HTMLResponse:
        html = read_body(one(number)[1])["html"]
        if html is None:
            raise HTTPException(404, "This message has no HTML.")
        return HTMLResponse(html, headers=_SENT_HEADERS)

    @app.get("/messages/{number}/files/{file}")
    def attached(number: int, file: int) -> Response:
        files = read_files(one(number)[1])
        if not 1 <= file <= len(files):
            raise HTTPException(404, "This message has no such file.")
        found = files[file - 1]
        headers = {
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(found.name, safe='')}",
            "X-Content-Type-Options": "nosniff",
        }
        return Response(found.content, media_type=found.media_type, headers=headers)

    @app.get("/count")
    def count(to: str = "", subject: str = "") -> dict[str, int]:
        return store.count(to=to, subject=subject)

    @app.get("/recipients")
    def recipients(limit: Limit = 1000) -> dict[str, Any]:
        return {"recipients": store.recipients(limit)}

    @app.delete("/messages")
    def clear() -> dict[str, int]:
        return {"deleted": store.clear()}

    @app.get("/faults")
    def faults() -> Faults:
        return catcher.faults

    @app.post("/faults")
    def set_faults(wanted: Faults) -> Faults:
        catcher.faults = wanted
        return wanted

    return app


class _HttpServer(uvicorn.Server):
    """uvicorn that leaves the signals to us: SMTP has to be closed as well."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(smtp_port: int, http_port: int, folder: Path) -> None:
    """Catch mail until SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    catcher = Catcher(Store(folder))
    writing = loop.create_task(catcher.commits.run())
    smtp = await loop.create_server(lambda: Connection(catcher), HOST, smtp_port, backlog=512)
    config = uvicorn.Config(
        pages_and_json(catcher),
        host=HOST,
        port=http_port,
        log_level="warning",
        lifespan="off",
        timeout_graceful_shutdown=2,
    )
    http = _HttpServer(config)

    def leave() -> None:
        http.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, leave)
    await http.serve()
    smtp.close()
    writing.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await writing
    catcher.close()


def main() -> None:
    """The command line of `python -m deploy.local.mail`."""
    parser = argparse.ArgumentParser(prog="python -m deploy.local.mail", description="Catch mail on loopback.")
    parser.add_argument("--smtp-port", type=int, required=True)
    parser.add_argument("--http-port", type=int, required=True)
    parser.add_argument("--store", type=Path, required=True, help="folder for the messages")
    arguments = parser.parse_args()
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(arguments.smtp_port, arguments.http_port, arguments.store))


if __name__ == "__main__":
    main()
