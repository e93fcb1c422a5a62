"""What a browser may do with a session cookie."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit
from uuid import UUID

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True)
class Session:
    """A browser signed in with a token. The token is sealed with the cookie's secret: the table alone opens nothing."""

    token_id: UUID
    actor: str
    role: str
    sealed_token: bytes
    expires_at: datetime


@dataclass(frozen=True)
class ForgedRequest(Exception):
    """A request with a cookie that another site may have caused."""

    reason: str

    def __str__(self) -> str:
        return self.reason


def session_key(secret: str) -> str:
    """What the table is looked up by: a hash of the cookie's secret, so that a copy of the table signs nobody in."""
    return hashlib.sha256(b"rushes-session:" + secret.encode()).hexdigest()


def check_same_site(*, method: str, host: str, origin: str | None, fetch_site: str | None) -> None:
    """Raises ForgedRequest when a changing request with a cookie cannot be shown to come from our own pages.

    The cookie is SameSite=Strict already; this is the second lock, for old browsers and sibling ports of one host.
    """
    if method in SAFE_METHODS:
        return
    if fetch_site is not None and fetch_site != "same-origin":
        raise ForgedRequest(f"the request came from another site (Sec-Fetch-Site: {fetch_site})")
    if origin is None:
        raise ForgedRequest(
            "a changing request with a session cookie needs an Origin header; scripts send a bearer token"
        )
    if urlsplit(origin).netloc.lower() != host.lower():
        raise ForgedRequest(f"the Origin {origin} is not this server")


def safe_return_path(wanted: str | None) -> str:
    """Where to go after sign-in: a path of ours, never another host (`//evil`, `/\\evil`) nor a control character."""
    if not wanted or not wanted.startswith("/") or wanted[1:2] in ("/", "\\"):
        return "/"
    return wanted if wanted.isprintable() and "\\" not in wanted else "/"
