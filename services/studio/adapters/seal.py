"""Authenticated encryption of a session's token with a key that only the browser's cookie holds."""

import base64

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


def seal(token: str, *, secret: str) -> bytes:
    return _cipher(secret).encrypt(token.encode())


def unseal(sealed: bytes, *, secret: str) -> str:
    """Raises cryptography.fernet.InvalidToken for another secret."""
    return _cipher(secret).decrypt(sealed).decode()


def _cipher(secret: str) -> Fernet:
    derivation = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"rushes session token")
    return Fernet(base64.urlsafe_b64encode(derivation.derive(secret.encode())))
