"""Keys of the local stack, made once: they sign access tokens and media links, and never leave this machine."""

import os
import secrets
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from deploy import topology

MEDIA_SECRET_BYTES = 32


def ensure(folder: Path) -> None:
    """Make what is missing, each file readable by its owner only. A private key without its public one is completed."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    private_file = folder / topology.TOKEN_PRIVATE_KEY
    if not private_file.exists():
        key = Ed25519PrivateKey.generate()
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        _write(private_file, pem)
        (folder / topology.TOKEN_PUBLIC_KEY).unlink(missing_ok=True)
    if not (folder / topology.TOKEN_PUBLIC_KEY).exists():
        loaded = serialization.load_pem_private_key(private_file.read_bytes(), password=None)
        public = loaded.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        _write(folder / topology.TOKEN_PUBLIC_KEY, public)
    if not (folder / topology.MEDIA_SECRET).exists():
        _write(folder / topology.MEDIA_SECRET, secrets.token_bytes(MEDIA_SECRET_BYTES))


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all, and private from its first byte."""
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    part.rename(path)
