"""What the stores of this schema have in common."""

from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager

import asyncpg

from services.catalog import domain
from shared.cause import Cause
from shared.postgres import Database, Transaction


class Store:
    """Writes take the transaction they belong to; reads use the pool."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def transaction(self, cause: Cause) -> AbstractAsyncContextManager[Transaction]:
        return self._database.transaction(cause)


@contextmanager
def unique(what: str, name: str) -> Iterator[None]:
    """Turn the schema's refusal of a second name into the domain's words."""
    try:
        yield
    except asyncpg.UniqueViolationError:
        raise domain.Conflict(
            f"there is a {what} named {name!r} already; choose another name or change that one"
        ) from None
