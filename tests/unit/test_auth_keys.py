"""Keys that verify tokens: a file that changes, an address that is slow or away."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared.auth import KeysUnavailable, TokenInvalid
from tests.unit.tokens import KEY, as_jwk, publish, signed, verifier_of

# ---- keys in a file


async def test_a_changed_file_of_keys_is_read_again(tmp_path: Path) -> None:
    new = Ed25519PrivateKey.generate()
    jwks = publish(tmp_path / "jwks.json", as_jwk(KEY, "k"))
    verifier = verifier_of(jwks)
    await verifier.caller(signed())
    with pytest.raises(TokenInvalid):
        await verifier.caller(signed(new, "n"))
    publish(tmp_path / "draft.json", as_jwk(new, "n")).replace(jwks)
    assert (await verifier.caller(signed(new, "n"))).subject == "o"
    with pytest.raises(TokenInvalid):
        await verifier.caller(signed())


async def test_keys_in_hand_serve_while_the_file_is_unreadable(tmp_path: Path) -> None:
    jwks = publish(tmp_path / "jwks.json", as_jwk(KEY, "k"))
    verifier = verifier_of(jwks)
    await verifier.caller(signed())
    jwks.write_text("{half")
    assert (await verifier.caller(signed())).subject == "o"
    jwks.unlink()
    assert (await verifier.caller(signed())).subject == "o"
    with pytest.raises(KeysUnavailable) as caught:
        await verifier_of(jwks).caller(signed())
    assert caught.value.status == 503


# ---- keys at an address


class KeyServer:
    """An identity provider's JWKS on loopback."""

    def __init__(self) -> None:
        self.keys: list[dict[str, Any]] = []
        self.status = 200
        self.delay_seconds = 0.0
        self.asked = 0
        outer = self

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked += 1
                time.sleep(outer.delay_seconds)
                body = json.dumps({"keys": outer.keys}).encode()
                self.send_response(outer.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.address = f"http://127.0.0.1:{self.server.server_port}/jwks"


@pytest.fixture
def provider() -> Iterator[KeyServer]:
    provider = KeyServer()
    thread = threading.Thread(target=provider.server.serve_forever, daemon=True)
    thread.start()
    yield provider
    provider.server.shutdown()
    provider.server.server_close()
    thread.join()


@pytest.fixture
def wait_keys(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Move the clock that ages keys on by some seconds."""
    passed = [0.0]
    monkeypatch.setattr("shared.auth.keys.monotonic", lambda: time.monotonic() + passed[0])

    def wait(seconds: float) -> None:
        passed[0] += seconds

    return wait


async def test_keys_are_fetched_once_for_many_requests(provider: KeyServer) -> None:
    provider.keys = [as_jwk(KEY, "k")]
    verifier = verifier_of(provider.address)
    await asyncio.gather(*(verifier.caller(signed()) for _ in range(20)))
    assert provider.asked == 1


async def test_a_new_key_is_fetched_when_a_token_names_it(
    provider: KeyServer, wait_keys: Callable[[float], None]
) -> None:
    new = Ed25519PrivateKey.generate()
    provider.keys = [as_jwk(KEY, "k")]
    verifier = verifier_of(provider.address)
    await verifier.caller(signed())
    provider.keys = [as_jwk(new, "n")]
    wait_keys(6)
    assert (await verifier.caller(signed(new, "n"))).subject == "o"
    with pytest.raises(TokenInvalid):
        await verifier.caller(signed())


async def test_made_up_key_ids_do_not_reach_the_provider_each_time(provider: KeyServer) -> None:
    provider.keys = [as_jwk(KEY, "k")]
    verifier = verifier_of(provider.address)
    await verifier.caller(signed())
    for number in range(20):
        with pytest.raises(TokenInvalid):
            await verifier.caller(signed(Ed25519PrivateKey.generate(), f"made-up-{number}"))
    assert provider.asked == 1


async def test_old_keys_are_renewed_beside_the_requests(
    provider: KeyServer, wait_keys: Callable[[float], None]
) -> None:
    provider.keys = [as_jwk(KEY, "k")]
    verifier = verifier_of(provider.address)
    await verifier.caller(signed())
    wait_keys(301)
    provider.keys = [as_jwk(Ed25519PrivateKey.generate(), "n")]
    provider.delay_seconds = 1.0
    began = time.perf_counter()
    assert (await verifier.caller(signed())).subject == "o"
    assert time.perf_counter() - began < 0.8
    await asyncio.sleep(2)
    assert provider.asked == 2
    with pytest.raises(TokenInvalid):
        await verifier.caller(signed())


async def test_keys_in_hand_serve_while_the_provider_is_away(
    provider: KeyServer, wait_keys: Callable[[float], None]
) -> None:
    provider.keys = [as_jwk(KEY, "k")]
    verifier = verifier_of(provider.address)
    await verifier.caller(signed())
    provider.status = 500
    wait_keys(301)
    assert (await verifier.caller(signed())).subject == "o"
    wait_keys(6)
    with pytest.raises(TokenInvalid):
        await verifier.caller(signed(Ed25519PrivateKey.generate(), "unknown"))
    assert provider.asked >= 2


async def test_nobody_is_recognised_before_the_keys_were_received(
    provider: KeyServer, wait_keys: Callable[[float], None]
) -> None:
    provider.keys, provider.status = [as_jwk(KEY, "k")], 503
    verifier = verifier_of(provider.address)
    with pytest.raises(KeysUnavailable):
        await verifier.caller(signed())
    provider.status = 200
    wait_keys(6)
    assert (await verifier.caller(signed())).subject == "o"


async def test_a_slow_provider_does_not_stop_other_work(provider: KeyServer) -> None:
    provider.keys, provider.delay_seconds = [as_jwk(KEY, "k")], 1.0
    request = asyncio.create_task(verifier_of(provider.address).caller(signed()))
    longest = 0.0
    while not request.done():
        began = time.perf_counter()
        await asyncio.sleep(0.01)
        longest = max(longest, time.perf_counter() - began)
    assert (await request).subject == "o"
    assert longest < 0.8
