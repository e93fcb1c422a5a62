"""Signed links: a `<video>` element cannot send a token, so the link itself carries a short-lived permission."""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode


class LinkRefused(Exception):
    """The link was changed or has expired."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedLink:
    path: str
    expires_at: datetime


class LinkSigner:
    """HMAC-SHA256 over the object's name and the expiry, both in the link."""

    def __init__(self, secret: bytes) -> None:
        if len(secret) < 32:
            raise ValueError("the media secret must have at least 32 bytes")
        self._secret = secret

    @classmethod
    def from_file(cls, path: Path) -> "LinkSigner":
        return cls(path.read_bytes())

    def sign(self, sha256: str, *, now: datetime, lifetime: timedelta) -> SignedLink:
        expires_at = now + lifetime
        expires = int(expires_at.timestamp())
        query = urlencode({"expires": expires, "signature": self._signature(sha256, expires)})
        return SignedLink(path=f"/media/{sha256}?{query}", expires_at=expires_at)

    def check(self, sha256: str, *, expires: int, signature: str, now: datetime) -> None:
        """Raises LinkRefused."""
        if not hmac.compare_digest(self._signature(sha256, expires).encode(), signature.encode()):
            raise LinkRefused("the link is not valid")
        if now.timestamp() > expires:
            raise LinkRefused("the link has expired; load the page again")

    def _signature(self, sha256: str, expires: int) -> str:
        return hmac.new(self._secret, f"{sha256}:{expires}".encode(), hashlib.sha256).hexdigest()
