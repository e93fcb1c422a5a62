"""The public API from Python. Knows HTTP and problem documents; prints nothing."""

import time
from collections.abc import Iterator, Mapping
from typing import Any, Self

import httpx

from shared.ids import uuid7

ANSWER_SECONDS = 60.0
TRIES = 4
NOT_MODIFIED = 304
FIRST_WAIT_SECONDS = 0.5
"""A service that restarts is back within seconds; a call is tried again for about four, with one Idempotency-Key."""


class ConnectionProblem(Exception):
    """Nobody answers, or not in our language."""


class ApiProblem(Exception):
    """The API said no. The text is what the problem document says, which is also what to change."""

    def __init__(self, status: int, title: str, detail: str) -> None:
        super().__init__(f"{title}: {detail}" if detail else title)
        self.status = status


class Client:
    """One signed-in connection. Close it, or use it in a `with`."""

    def __init__(self, *, url: str, token: str, transport: httpx.BaseTransport | None = None) -> None:
        self.url = url.rstrip("/")
        self._http = httpx.Client(
            base_url=self.url,
            headers={"Authorization": f"Bearer {token}"},
            timeout=ANSWER_SECONDS,
            trust_env=False,
            transport=transport,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, path: str, **query: Any) -> Any:
        return self._send("GET", path, params={name: value for name, value in query.items() if value is not None})

    def get_changed(self, path: str, etag: str | None) -> tuple[Any, str | None]:
        """The answer and its ETag; None when it is as it was under `etag`."""
        response = self._request("GET", path, headers={} if etag is None else {"If-None-Match": etag})
        if response.status_code == NOT_MODIFIED:
            return None, etag
        return _parsed(response), response.headers.get("etag")

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        return self._send("POST", path, json=dict(body or {}), headers={"Idempotency-Key": str(uuid7())})

    def put(self, path: str, body: Mapping[str, Any]) -> Any:
        return self._send("PUT", path, json=dict(body))

    def upload(self, path: str, *, fields: Mapping[str, Any], file: tuple[str, bytes, str]) -> Any:
        """A multipart form whose file part is called `image`. `file`: name, bytes, media type."""
        headers = {"Idempotency-Key": str(uuid7())}
        return self._send("POST", path, data=dict(fields), files={"image": file}, headers=headers)

    def delete(self, path: str) -> None:
        self._send("DELETE", path)

    def items(self, path: str, **query: Any) -> Iterator[dict[str, Any]]:
        """All items of a list, page by page."""
        cursor: str | None = None
        while True:
            page = self.get(path, cursor=cursor, **query)
            yield from page["items"]
            cursor = page.get("next_cursor")
            if cursor is None:
                return

    def _send(self, method: str, path: str, **request: Any) -> Any:
        return _parsed(self._request(method, path, **request))

    def _request(self, method: str, path: str, **request: Any) -> httpx.Response:
        wait_seconds = FIRST_WAIT_SECONDS
        for attempt in range(1, TRIES + 1):
            try:
                return _accepted(self._http.request(method, path, **request))
            except (httpx.TransportError, ApiProblem) as error:
                away = not isinstance(error, ApiProblem)
                passing = away or (isinstance(error, ApiProblem) and error.status == 503)
                if not passing or attempt == TRIES:
                    raise self._unreachable(error) if away else error from error
            time.sleep(wait_seconds)
            wait_seconds *= 2
        raise AssertionError("unreachable")

    def _unreachable(self, error: Exception) -> ConnectionProblem:
        return ConnectionProblem(
            f"nobody answers at {self.url} ({type(error).__name__}); start it with `rushes up`, or set RUSHES_URL"
        )


def _accepted(response: httpx.Response) -> httpx.Response:
    """Raises ApiProblem for every status from 300 on, except for what is not modified."""
    if response.status_code >= 300 and response.status_code != NOT_MODIFIED:
        raise _problem(response)
    return response


def _parsed(response: httpx.Response) -> Any:
    """The body; None for an empty one."""
    if not response.content:
        return None
    try:
        return response.json()
    except ValueError:
        raise ConnectionProblem(f"{response.url} answered with something that is not JSON; is it Rushes?") from None


def _problem(response: httpx.Response) -> ApiProblem:
    try:
        told = response.json()
    except ValueError:
        told = {}
    if not isinstance(told, dict):
        told = {}
    title = str(told.get("title") or f"the server answered {response.status_code}")
    return ApiProblem(response.status_code, title, str(told.get("detail") or ""))
