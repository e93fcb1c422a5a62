"""Work on lease: it is held while somebody works on it, and lost when he falls silent."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from shared.postgres.errors import is_transient


@asynccontextmanager
async def renewed(extend: Callable[[], Awaitable[bool]], *, lease_seconds: float) -> AsyncIterator[None]:
    """Renews a lease at a third of its length.

    It stops when the lease is lost: what is found will then be refused, and another worker finds it.
    """

    async def renew() -> None:
        kept = True
        while kept:
            await asyncio.sleep(lease_seconds / 3)
            try:
                kept = await extend()
            except Exception as error:
                if not is_transient(error):
                    raise

    renewing = asyncio.create_task(renew())
    try:
        yield
    finally:
        renewing.cancel()
        with suppress(asyncio.CancelledError):
            await renewing
