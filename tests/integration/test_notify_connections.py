"""The one connection of a line, on both event loops: what a server may do to it, and that no message takes another's
answer.
"""

import asyncio
import inspect
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import certifi
import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from services.notify.channels import http
from services.notify.channels.http import Answer, Api, Connection
from services.notify.domain.delivery import Ambiguous, Deferred
from tests.integration.notify_adapters import ANSWER_SECONDS, CUT, Script, answer, scripted

PATH = "/v1/messages"


def on_both_loops(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Services run on uvloop, tests on asyncio's own loop: their transports differ."""

    def played(run: Callable[[Coroutine[Any, Any, None]], None], **given: Any) -> None:
        run(test(**given))

    played.__name__ = test.__name__
    signature = inspect.signature(test)
    run = inspect.Parameter("run", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    played.__signature__ = signature.replace(parameters=[run, *signature.parameters.values()])  # type: ignore[attr-defined]  # read by pytest
    both: Callable[..., None] = pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])(
        played
    )
    return both


def numbered(number: int) -> bytes:
    return answer(200, {"number": number})


@asynccontextmanager
async def connected(script: Script) -> AsyncIterator[Connection]:
    connection = Connection(Api(script.url, connect_seconds=0.5, answer_seconds=ANSWER_SECONDS))
    try:
        yield connection
    finally:
        await connection.close()


async def ask(connection: Connection, content: bytes = b"{}") -> int | Ambiguous | Deferred:
    found = await connection.call("POST", PATH, {"Content-Type": "application/json"}, content, seconds=5.0)
    return int(found.json()["number"]) if isinstance(found, Answer) else found


@on_both_loops
async def test_messages_follow_each_other_on_one_connection() -> None:
    async with scripted(*(numbered(number) for number in range(5))) as script, connected(script) as connection:
        assert [await ask(connection, b"x" * 200_000) for _ in range(5)] == [0, 1, 2, 3, 4]
        assert script.connections == 1
        assert [len(one.body) for one in script.asked] == [200_000] * 5


@pytest.mark.parametrize("together", [True, False], ids=["in one piece", "a moment later"])
@on_both_loops
async def test_an_answer_that_nobody_asked_for_is_never_the_next_message_s(together: bool) -> None:
    async with scripted(numbered(0), numbered(1)) as script, connected(script) as connection:
        if together:
            script.answers[0] += numbered(666)
            assert await ask(connection) == 0
        else:
            script.late = numbered(666)
            assert await ask(connection) == 0
            await asyncio.sleep(0.1)
        assert await ask(connection) == 1
        assert script.connections == 2


@pytest.mark.parametrize(
    "given",
    [
        b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" + numbered(7),
        b'HTTP/1.1 200 OK\r\n\r\n{"number": 7}' + CUT,
        b'HTTP/1.0 200 OK\r\n\r\n{"number": 7}' + CUT,
        b'HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 13\r\n\r\n{"number": 7}',
        b'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{"\r\nb\r\nnumber": 7}\r\n0\r\n\r\n',
    ],
    ids=["hints before it", "ended by the connection", "HTTP/1.0", "told to close", "in chunks"],
)
@on_both_loops
async def test_every_form_of_an_answer_is_read(given: bytes) -> None:
    async with scripted(given.removesuffix(CUT), numbered(8)) as script, connected(script) as connection:
        script.ends = given.endswith(CUT)
        assert [await ask(connection), await ask(connection)] == [7, 8]


@on_both_loops
async def test_a_call_that_was_cancelled_leaves_its_answer_to_nobody() -> None:
    async with scripted(numbered(0), numbered(1)) as script, connected(script) as connection:
        script.delay_seconds = 0.1
        first = asyncio.create_task(ask(connection))
        while not script.asked:  # noqa: ASYNC110 - the server has no event for it
            await asyncio.sleep(0.005)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert await ask(connection) == 1
        assert script.connections == 2


@on_both_loops
async def test_a_server_that_hangs_up_at_once_leaves_every_message_with_an_outcome() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    connection = Connection(
        Api(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", connect_seconds=2.0, answer_seconds=2.0)
    )
    outcomes = {type(await ask(connection)) for _ in range(200)}
    server.close()
    assert outcomes <= {Deferred, Ambiguous}


@pytest.mark.parametrize("token", ["a\r\nb", "kunci\u2013baru"], ids=["with a line break", "with a dash of a text"])
@on_both_loops
async def test_a_request_that_cannot_be_written_never_leaves(token: str) -> None:
    async with scripted(numbered(0)) as script, connected(script) as connection:
        found = await connection.call("POST", PATH, {"Authorization": f"Bearer {token}"}, b"{}", seconds=5.0)
        assert found == Deferred("before-content request-malformed", "provider")
        assert script.asked == []


@on_both_loops
async def test_a_connection_that_took_long_to_open_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = _certificate(tmp_path, "127.0.0.1")
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(certificate)
    script = Script([numbered(3)])
    server = await asyncio.start_server(script.serve, "127.0.0.1", 0, ssl=serving)

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while some := await reader.read(4096):
            writer.write(some)

    async def pass_on_late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(2 * http.KEPT_OPEN_SECONDS)  # the handshake waits for it
        behind, before = await asyncio.open_connection("127.0.0.1", server.sockets[0].getsockname()[1])
        await asyncio.gather(pass_on(reader, before), pass_on(behind, writer), return_exceptions=True)

    monkeypatch.setattr(http, "KEPT_OPEN_SECONDS", 0.2)
    monkeypatch.setattr(certifi, "where", lambda: str(certificate))
    slow = await asyncio.start_server(pass_on_late, "127.0.0.1", 0)
    url = f"https://127.0.0.1:{slow.sockets[0].getsockname()[1]}"
    connection = Connection(Api(url, connect_seconds=10.0, answer_seconds=10.0))
    try:
        assert await ask(connection) == 3
    finally:
        await connection.close()
        script.over.set()
        slow.close()
        server.close()


@on_both_loops
async def test_a_server_that_proves_who_it_is_gets_the_message_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = _certificate(tmp_path, "127.0.0.1")
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(certificate)
    script = Script([numbered(3)])
    server = await asyncio.start_server(script.serve, "127.0.0.1", 0, ssl=serving)
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        stranger = Connection(Api(url, connect_seconds=2.0, answer_seconds=2.0))
        assert await ask(stranger) == Deferred("before-content disconnected", "provider")
        assert script.asked == []
        monkeypatch.setattr(certifi, "where", lambda: str(certificate))
        known = Connection(Api(url, connect_seconds=2.0, answer_seconds=2.0))
        assert [await ask(known), await ask(known)] == [3, 3]
        assert len(script.asked) == 2
        await known.close()
    finally:
        script.over.set()
        server.close()


def _certificate(folder: Path, host: str) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(host))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path
