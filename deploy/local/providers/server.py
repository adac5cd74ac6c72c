"""The emulators behind one port: the APIs straight from the socket, everything else through the admin application."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, MutableMapping
from pathlib import Path
from typing import Any, TypeAlias, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from deploy.local.processes import HOST
from deploy.local.providers.admin import admin
from deploy.local.providers.emulator import Emulator
from deploy.local.providers.messages import Answer, Cut, Request
from shared.clock import Clock

__all__ = ["serve", "serving"]

BODY_BYTES_MAX = 1024 * 1024
APIS = {"graph": "whatsapp", "twilio": "twilio", "vonage": "vonage"}
TRANSPORT = "lapak.transport"

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class _Protocol(HttpToolsProtocol):
    """uvicorn's protocol that lets a request end its connection without an answer, as networks do."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        cast(Scope, self.scope)[TRANSPORT] = self.transport


class _Server(uvicorn.Server):
    """uvicorn that leaves the signals to us."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Door:
    """The ASGI application."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self._admin = admin(emulator)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._admin(scope, receive, send)
            return
        _, api, rest = (scope["path"] + "/").split("/", 2)
        provider = APIS.get(api)
        if provider is None:
            await self._admin(scope, receive, send)
            return
        body = await _body(receive)
        if body is None:
            return
        request = Request(scope["method"], "/" + rest[:-1], scope["query_string"], dict(scope["headers"]), body)
        try:
            if self._emulator.faults[provider].time_out:
                answer = await _unless_gone(self._emulator.answer(provider, request), receive)
            else:
                answer = await self._emulator.answer(provider, request)
        except Cut:
            scope[TRANSPORT].abort()
            return
        if answer is None:
            return
        await send(
            {
                "type": "http.response.start",
                "status": answer.status,
                "headers": [
                    (b"content-type", answer.content_type),
                    (b"content-length", str(len(answer.body)).encode()),
                ],
            }
        )
        await send({"type": "http.response.body", "body": answer.body})


async def _body(receive: Receive) -> bytes | None:
    """The whole body; None when the client went away or sends too much."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        part = message.get("body", b"")
        if not message.get("more_body"):
            return b"".join((*parts, part)) if parts else part
        parts.append(part)
        size += len(part)
        if size > BODY_BYTES_MAX:
            return None


async def _unless_gone(answering: Awaitable[Answer], receive: Receive) -> Answer | None:
    """The answer, unless the client gives up waiting for it before."""
    work = asyncio.ensure_future(answering)
    gone = asyncio.ensure_future(receive())
    try:
        await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
        return await work if work.done() else None
    finally:
        for task in (work, gone):
            task.cancel()
        await asyncio.gather(work, gone, return_exceptions=True)


def _config(emulator: Emulator, port: int) -> uvicorn.Config:
    return uvicorn.Config(
        Door(emulator),
        host=HOST,
        port=port,
        http=_Protocol,
        log_level="warning",
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=2,
        backlog=512,
    )


@contextlib.asynccontextmanager
async def serving(folder: Path, *, port: int = 0, clock: Clock | None = None) -> AsyncIterator[tuple[str, Emulator]]:
    """The emulators in this process until the block ends, for tests; gives their address."""
    emulator = Emulator(folder, clock)
    await emulator.start()
    server = _Server(_config(emulator, port))
    running = asyncio.create_task(server.serve())
    try:
        while not server.started:
            if running.done():
                await running
            await asyncio.sleep(0.005)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://{HOST}:{port}", emulator
    finally:
        server.should_exit = True
        await running
        await emulator.stop()


async def serve(port: int, folder: Path, clock_file: Path | None) -> None:
    """Emulate until SIGTERM or SIGINT."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    async with serving(folder, port=port, clock=Clock(clock_file)):
        await stopping.wait()
