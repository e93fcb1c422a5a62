"""The way in to a fresh installation: a first admin, and a file with their token."""

from datetime import timedelta
from typing import Protocol

from services.catalog import domain
from services.catalog.operations.users import issue
from services.catalog.store import UserStore
from shared.auth import TokenIssuer
from shared.cause import Cause
from shared.clock import Clock, utc_now
from shared.postgres import Transaction

LABEL = "bootstrap"


class TokenFile(Protocol):
    async def read(self) -> str | None: ...

    async def write(self, token: str) -> None: ...


class Bootstrap:
    def __init__(
        self, *, store: UserStore, issuer: TokenIssuer, file: TokenFile, lifetime: timedelta, now: Clock = utc_now
    ) -> None:
        self._store = store
        self._issuer = issuer
        self._file = file
        self._lifetime = lifetime
        self._now = now

    async def __call__(self) -> None:
        """Runs at every start and changes nothing when the file already holds a token that serves.

        The row is committed before the file is written. A crash between the two leaves a token that nobody has seen,
        and the next start issues another; the file never holds a token that the catalog does not know. A file that is
        missing, spoilt, from another installation or about to expire is written anew. Without an admin of that name (a
        person deleted them) nothing is issued.
        """
        in_file = await self._file.read()
        async with self._store.transaction(Cause.begin("service:catalog")) as tx:
            await self._store.lock_all(tx)
            secret = await self._secret_to_write(tx, in_file)
        if secret is not None:
            await self._file.write(secret)

    async def _secret_to_write(self, tx: Transaction, in_file: str | None) -> str | None:
        if await self._store.count(tx) == 0:
            await self._store.insert(tx, name=domain.BOOTSTRAP_USER, role=domain.Role.ADMIN)
        admin = await self._store.lock_named(tx, domain.BOOTSTRAP_USER)
        if admin is None or admin.role is not domain.Role.ADMIN:
            return None
        known = None if in_file is None else await self._store.token_with_hash(tx, domain.hash_of_token(in_file))
        if domain.bootstrap_token_serves(known, owner=admin, now=self._now()):
            return None
        issued, _ = await issue(
            tx, self._store, self._issuer, admin, label=LABEL, lifetime=self._lifetime, now=self._now
        )
        return issued.token
