"""Who coached whom, as the registry tells it: kept for the record of what each agency did."""

from collections.abc import Sequence

from services.training.domain.contributions import Word
from services.training.store import contributions as store
from shared.db import Connection


async def remember_words(conn: Connection, words: Sequence[Word]) -> None:
    """Keep the registry's words on who coaches, in whatever order they come."""
    if words:
        await store.add_words(conn, words)
