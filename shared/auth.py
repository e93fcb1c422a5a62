"""Access tokens: signed by the catalog's private key, verified anywhere with the public one, without asking."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from shared.ids import uuid7

ALGORITHM = "EdDSA"
ISSUER = "rushes"
AUDIENCE = "rushes"


class Role(StrEnum):
    """Each role may do all that the ones before it may."""

    VIEWER = "viewer"
    CREATOR = "creator"
    ADMIN = "admin"

    def includes(self, other: "Role") -> bool:
        order = list(Role)
        return order.index(self) >= order.index(other)


class InvalidToken(Exception):
    """The token is not ours, was changed, or has expired."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who asks."""

    name: str
    role: Role
    token_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedToken:
    token: str
    token_id: UUID
    expires_at: datetime


class TokenIssuer:
    """Only the catalog has one."""

    def __init__(self, private_key: Ed25519PrivateKey) -> None:
        self._key = private_key

    @classmethod
    def from_file(cls, path: Path) -> "TokenIssuer":
        key = load_pem_private_key(path.read_bytes(), password=None)
        if not isinstance(key, Ed25519PrivateKey):
            raise ValueError(f"{path} holds no Ed25519 private key")
        return cls(key)

    def issue(self, *, name: str, role: Role, now: datetime, lifetime: timedelta) -> IssuedToken:
        token_id, expires_at = uuid7(), now + lifetime
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": name,
            "role": role.value,
            "jti": str(token_id),
            "iat": now,
            "exp": expires_at,
        }
        return IssuedToken(
            token=jwt.encode(claims, self._key, algorithm=ALGORITHM), token_id=token_id, expires_at=expires_at
        )


class TokenVerifier:
    def __init__(self, public_key: Ed25519PublicKey) -> None:
        self._key = public_key

    @classmethod
    def from_file(cls, path: Path) -> "TokenVerifier":
        key = load_pem_public_key(path.read_bytes())
        if not isinstance(key, Ed25519PublicKey):
            raise ValueError(f"{path} holds no Ed25519 public key")
        return cls(key)

    def verify(self, token: str) -> Actor:
        """Raises InvalidToken with a reason that may be shown."""
        try:
            claims = jwt.decode(
                token,
                self._key,
                algorithms=[ALGORITHM],
                issuer=ISSUER,
                audience=AUDIENCE,
                options={"require": ["exp", "iat", "jti", "sub"]},
            )
            return Actor(name=claims["sub"], role=Role(claims["role"]), token_id=UUID(claims["jti"]))
        except jwt.ExpiredSignatureError as error:
            raise InvalidToken("the token has expired; ask for a new one") from error
        except (jwt.InvalidTokenError, KeyError, ValueError) as error:
            raise InvalidToken("the token is not valid here") from error
