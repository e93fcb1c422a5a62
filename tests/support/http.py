"""Signed-in HTTP clients for a service's app, in process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from fastapi import FastAPI

from shared.auth import Role, TokenIssuer
from shared.clock import utc_now


class TestKeys:
    """A key pair on disk, as services read it."""

    __test__ = False

    def __init__(self, folder: Path) -> None:
        key = Ed25519PrivateKey.generate()
        self.private_key_file = folder / "token-private.pem"
        self.public_key_file = folder / "token-public.pem"
        self.private_key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        self.public_key_file.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        self.issuer = TokenIssuer(key)

    def token(self, role: Role = Role.ADMIN, *, name: str = "tester") -> str:
        return self.issuer.issue(name=name, role=role, now=utc_now(), lifetime=timedelta(hours=1)).token


@asynccontextmanager
async def api_client(app: FastAPI, *, token: str | None = None) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the app without its lifespan: whoever calls has opened the database."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://service", headers=headers) as client:
        yield client
