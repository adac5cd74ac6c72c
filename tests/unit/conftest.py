"""Fixtures of the unit tests beside those of all: the emulated providers, and a webhook of ours."""

from collections.abc import AsyncIterator

import httpx
import pytest

from deploy.local.providers.server import serving
from tests.unit.local_providers import NUMBER, TEMPLATE, TWILIO, VONAGE, Desk, Hook, hearing


@pytest.fixture(scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    folder = tmp_path_factory.mktemp("providers")
    async with serving(folder) as (url, emulator), httpx.AsyncClient(base_url=url) as client:
        yield Desk(url, emulator, client)


@pytest.fixture
async def desk(running: Desk) -> Desk:
    """The emulators as new: nobody was sent anything, and all behave."""
    await running.client.delete("/admin/messages")
    await running.faults()
    for account in (NUMBER, TWILIO, VONAGE):
        await running.admin("accounts", account)
    await running.admin("templates", {"number_id": "1090000001", "templates": [TEMPLATE]})
    return running


@pytest.fixture
async def hook() -> AsyncIterator[Hook]:
    async with hearing() as hook:
        yield hook
