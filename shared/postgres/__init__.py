"""PostgreSQL: pool, transactions with inbox and outbox, migrations."""

from shared.postgres.database import Database, Transaction

__all__ = ["Database", "Transaction"]
