"""What the groups of statements share."""

from contextlib import AbstractAsyncContextManager

from shared.cause import Cause
from shared.postgres import Database, Transaction


class BaseStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    def transaction(self, cause: Cause) -> AbstractAsyncContextManager[Transaction]:
        return self._database.transaction(cause)
