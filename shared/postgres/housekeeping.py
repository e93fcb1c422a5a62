"""What plumbing tables may forget."""

from shared.postgres.database import Database

INBOX_DAYS = 35
"""Longer than any topic keeps its messages, so that no message outlives the memory of it."""
OUTBOX_DAYS = 7
IDEMPOTENCY_DAYS = 2


async def forget_the_past(database: Database) -> None:
    await database.pool.execute("DELETE FROM inbox WHERE received_at < now() - make_interval(days => $1)", INBOX_DAYS)
    await database.pool.execute(
        "DELETE FROM outbox WHERE published_at < now() - make_interval(days => $1)", OUTBOX_DAYS
    )
    await database.pool.execute(
        "DELETE FROM idempotency_keys WHERE created_at < now() - make_interval(days => $1)", IDEMPOTENCY_DAYS
    )
