"""The services behind the edge, over HTTP."""

import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx

from services.studio import metrics
from services.studio.domain.routes import Owner

CONNECT_SECONDS = 3.0
READ_SECONDS = 75.0
"""Until the first byte of an answer, and between two parts of it. Services answer at once, slow work is a job; but a
caller may ask to wait for a render, up to a minute (`wait_seconds`), and such an answer still has to come through."""

DOCUMENT_SECONDS = 5.0
KEPT_CONNECTIONS = 64
RETRIED_METHODS = frozenset({"GET", "HEAD"})


class UpstreamAway(Exception):
    """A service did not answer."""

    def __init__(self, owner: Owner, reason: str) -> None:
        super().__init__(
            f"the {owner} service does not answer ({reason}); nothing was lost here, "
            f"try again in a moment, and look at `rushes status` and `make logs` if it stays away"
        )
        self.owner = owner


class Upstreams:
    """One client for all services. `open` before use; answers must be closed by whoever asked."""

    def __init__(self, urls: Mapping[Owner, str], *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._urls = {owner: url.rstrip("/") for owner, url in urls.items()}
        self._transport = transport
        self._client: httpx.AsyncClient | None = None

    async def open(self) -> None:
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS, pool=CONNECT_SECONDS),
            limits=httpx.Limits(max_connections=2 * KEPT_CONNECTIONS, max_keepalive_connections=KEPT_CONNECTIONS),
            follow_redirects=False,
            trust_env=False,
            transport=self._transport,
        )

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def send(
        self,
        owner: Owner,
        *,
        method: str,
        path: str,
        query: bytes,
        headers: list[tuple[str, str]],
        body: AsyncIterator[bytes] | None,
    ) -> httpx.Response:
        """The answer's head; its body is still to be read. Raises UpstreamAway.

        A read is tried twice, because a service that was restarted leaves dead connections in the pool.
        """
        attempts = 2 if method in RETRIED_METHODS else 1
        for attempt in range(1, attempts + 1):
            try:
                return await self._send_once(owner, method, path, query, headers, body)
            except httpx.TransportError as error:
                if attempt == attempts:
                    metrics.UPSTREAM_AWAY.labels(owner=owner).inc()
                    raise UpstreamAway(owner, _reason(error)) from error
        raise AssertionError("unreachable")

    async def _send_once(
        self,
        owner: Owner,
        method: str,
        path: str,
        query: bytes,
        headers: list[tuple[str, str]],
        body: AsyncIterator[bytes] | None,
    ) -> httpx.Response:
        client = self._opened()
        url = httpx.URL(self._urls[owner] + path, query=query or None)
        began = time.perf_counter()
        response = await client.send(client.build_request(method, url, headers=headers, content=body), stream=True)
        seconds = time.perf_counter() - began
        metrics.UPSTREAM_SECONDS.labels(owner=owner, status=response.status_code).observe(seconds)
        return response

    async def json(self, owner: Owner, path: str, *, headers: Mapping[str, str], query: str = "") -> tuple[int, Any]:
        """Status and parsed body of a read. Raises UpstreamAway; also when the body is no JSON."""
        response = await self.send(
            owner, method="GET", path=path, query=query.encode(), headers=list(headers.items()), body=None
        )
        try:
            await response.aread()
            return response.status_code, response.json()
        except (ValueError, httpx.TransportError) as error:
            raise UpstreamAway(owner, f"its answer to {path} could not be read") from error
        finally:
            await response.aclose()

    async def openapi(self, owner: Owner) -> dict[str, Any] | None:
        """A service's own description; None while it is away."""
        try:
            response = await self._opened().get(self._urls[owner] + "/openapi.json", timeout=DOCUMENT_SECONDS)
            document: dict[str, Any] = response.raise_for_status().json()
            return document
        except (httpx.HTTPError, ValueError):
            return None

    def _opened(self) -> httpx.AsyncClient:
        if self._client is None:
            raise RuntimeError("Upstreams was not opened")
        return self._client


def _reason(error: httpx.TransportError) -> str:
    match error:
        case httpx.ConnectError():
            return "no connection"
        case httpx.TimeoutException():
            return "it took too long"
        case _:
            return "the connection broke"
