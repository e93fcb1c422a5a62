"""Which failures mean that the database is away, and will come back."""

import asyncpg

_AWAY = (
    ConnectionError,
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.OperatorInterventionError,
    asyncpg.TooManyConnectionsError,
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.DiskFullError,
)

_NOT_AWAY = (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.DataError)


def is_transient(error: BaseException) -> bool:
    """True for a lost, refused or restarting server, and for conflicts that a repeat resolves.

    asyncpg raises bad arguments as DataError, which is also an InterfaceError: that is the caller's mistake.
    """
    return isinstance(error, _AWAY) and not isinstance(error, _NOT_AWAY)
