"""What the parts of the store share."""

from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from shared.cause import Cause
from shared.postgres import Database, Transaction


class Reader(Protocol):
    """A pool, or a transaction's own connection."""

    async def fetch(self, sql: str, *args: Any) -> list[Any]: ...

    async def fetchrow(self, sql: str, *args: Any) -> Any: ...

    async def fetchval(self, sql: str, *args: Any) -> Any: ...


class BaseStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    def transaction(self, cause: Cause) -> AbstractAsyncContextManager[Transaction]:
        return self._database.transaction(cause)

    def _reader(self, tx: Transaction | None) -> Any:
        return self._database if tx is None else tx.connection
