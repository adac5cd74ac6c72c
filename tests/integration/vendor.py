"""What the tests of the vendor registry share: its HTTP client, people to register, and a look at what it published."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import httpx

from shared.auth import LocalIssuer
from shared.clock import Clock
from shared.crypto import Sealer
from shared.db import Database

KARANG_ANYAR = "31.71.02.1002"
PENJARINGAN = "31.72.01.1001"
HEADINGS = "nik;nama;no_hp;kode_kelurahan;rw;rt;alamat;email;kategori;pengampu"


class Published(NamedTuple):
    """An event in the outbox."""

    topic: str
    type: str
    key: str
    sequence: int
    body: dict[str, Any]


def nik(number: int) -> str:
    """The valid NIK of made-up person `number`."""
    return f"317102{number // 9999 % 28 + 41:02d}0790{number % 9999 + 1:04d}"


def person(number: int, **more: str | None) -> dict[str, Any]:
    """A made-up person, as POST /v1/vendors takes it."""
    body = {
        "nik": nik(number),
        "name": f"Orang Contoh {number}",
        "phone": f"0812{number:08d}",
        "kelurahan": KARANG_ANYAR,
        "rw": "003",
        "rt": "007",
        "street": f"Jalan Contoh {number}",
        "email": f"orang{number}@contoh.id",
    }
    return {**body, **more}


def row(number: int, **more: str) -> str:
    """The same person as a row under `HEADINGS`."""
    fields = {**person(number), "category": "", "agency": "", **more}
    names = ("nik", "name", "phone", "kelurahan", "rw", "rt", "street", "email", "category", "agency")
    return ";".join(fields[name] for name in names)


def sheet(rows: Sequence[str]) -> bytes:
    """A CSV of rows; the first row is line 2."""
    return "\n".join([HEADINGS, *rows, ""]).encode()


@dataclass
class Registry:
    """The vendor service on a database of its own."""

    dsn: str
    database: Database
    client: httpx.AsyncClient
    issuer: LocalIssuer
    clock: Clock
    sealer: Sealer

    async def crowd(self) -> None:
        """Open every connection of the pool: what is asked for at once from now on really runs at once."""
        async with AsyncExitStack() as stack:
            for _ in range(self.database.pool.get_max_size()):
                await stack.enter_async_context(self.database.pool.acquire())

    # -- tokens

    def officer(self, area: str = "31.71") -> str:
        """Token of an officer."""
        return self.issuer.token(f"officer-{area}", ["officer"], area=area)

    def newcomer(self) -> str:
        """Token of a person that is not registered yet."""
        return self.issuer.token(f"person-{uuid4()}", ["vendor"])

    def vendor(self, vendor_id: UUID) -> str:
        """Token of a registered vendor."""
        return self.issuer.token(f"vendor-{vendor_id}", ["vendor"], vendor_id=vendor_id)

    def of(self, role: str, area: str | None = None) -> str:
        """Token of another role."""
        return self.issuer.token(role, [role], area=area)

    # -- HTTP

    async def post(
        self, path: str, body: dict[str, Any] | None = None, *, token: str | None = None, key: str | None = None
    ) -> httpx.Response:
        """POST as an officer of Central Jakarta, unless another token is given."""
        headers = {"Authorization": f"Bearer {token or self.officer()}", "Idempotency-Key": key or str(uuid4())}
        return await self.client.post(path, json=body, headers=headers)

    async def get(self, path: str, *, token: str | None = None, **params: Any) -> httpx.Response:
        """GET as an officer of Central Jakarta, unless another token is given."""
        headers = {"Authorization": f"Bearer {token or self.officer()}"}
        return await self.client.get(path, params=params, headers=headers)

    async def register(self, number: int, *, token: str | None = None, **more: str | None) -> UUID:
        """Register a made-up person, who must be taken."""
        answer = await self.post("/v1/vendors", person(number, **more), token=token)
        return UUID(ok(answer, 201)["vendor_id"])

    async def send_sheet(
        self, content: bytes, *, key: str | None = None, token: str | None = None, dry_run: bool = False
    ) -> httpx.Response:
        """Upload a sheet."""
        headers = {"Authorization": f"Bearer {token or self.officer()}", "Idempotency-Key": key or str(uuid4())}
        files = {"file": ("orang.csv", content, "text/csv")}
        return await self.client.post(
            "/v1/vendors/import", params={"dry_run": dry_run}, files=files, headers=headers, timeout=120
        )

    # -- what is there

    async def value(self, sql: str, *arguments: Any) -> Any:
        """One value from the database."""
        async with self.database.read() as conn:
            return await conn.fetchval(sql, *arguments)

    async def vendors(self) -> int:
        """How many vendors there are."""
        return int(await self.value("SELECT count(*) FROM vendor"))

    async def published(self, *types: str) -> list[Published]:
        """Events in the outbox, oldest first; only of these types if any are named."""
        async with self.database.read() as conn:
            rows = await conn.fetch(
                "SELECT topic, type, key, sequence, convert_from(payload, 'UTF8')::json AS body FROM outbox "
                "WHERE $1::text[] = '{}' OR type = ANY($1) ORDER BY seq",
                list(types),
            )
        return [Published(*record) for record in rows]

    async def everything(self) -> dict[str, str]:
        """Every row of every table as text, table by table; bytea both as hex and, where it is text, as text."""
        dump: dict[str, list[str]] = {}
        async with self.database.read() as conn:
            tables = await conn.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
            for (table,) in tables:
                for record in await conn.fetch(f'SELECT * FROM "{table}"'):  # noqa: S608 - a name from the catalogue
                    label = f"{table} {record['type']}" if table == "outbox" else table
                    values = [v.decode(errors="replace") if isinstance(v, bytes) else str(v) for v in record.values()]
                    dump.setdefault(label, []).append(" ".join(values))
        return {label: "\n".join(lines) for label, lines in dump.items()}


async def at_once(*acts: Awaitable[httpx.Response]) -> list[httpx.Response]:
    """The answers to requests that are made together."""
    return list(await asyncio.gather(*acts))


async def until(true: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something is so; half a minute at most."""
    for _ in range(1500):
        if await true():
            return
        await asyncio.sleep(0.02)
    raise TimeoutError


def ok(answer: httpx.Response, status: int = 200) -> dict[str, Any]:
    """The body of an answer that must have this status."""
    assert answer.status_code == status, answer.text
    body: dict[str, Any] = answer.json()
    return body
