"""Stored media over HTTP: signed links, byte ranges, a type told from the bytes."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import Response, StreamingResponse

from services.studio import metrics
from services.studio.api.access import Access, Caller
from services.studio.domain.ranges import SNIFF_BYTES, RangeNotSatisfiable, media_type_of, span_of
from shared.clock import Clock, utc_now
from shared.http import Problem, ResponseModel
from shared.http.problems import problem_response
from shared.media import MediaStore
from shared.media.links import LinkRefused, LinkSigner

CHUNK_BYTES = 256 * 1024
"""How much of an object is in memory at a time."""

Sha256 = Annotated[str, Path(pattern="^[0-9a-f]{64}$", description="of the object's bytes")]


class MediaLink(ResponseModel):
    url: str
    expires_at: datetime


def media_router(
    *, access: Access, media: MediaStore, signer: LinkSigner, lifetime: timedelta, now: Clock = utc_now
) -> APIRouter:
    router = APIRouter(tags=["media"])

    @router.get("/api/media/{sha256}/link", summary="A link that needs no token", response_model=MediaLink)
    async def link(sha256: Sha256, _: Annotated[Caller, Depends(access.caller)]) -> MediaLink:
        """For `<video>` and `<img>`, which cannot send a token. It opens this one object, for a short while."""
        if not await media.exists(sha256):
            raise Problem(404, "Not found", f"no media object {sha256} is stored")
        signed = signer.sign(sha256, now=now(), lifetime=lifetime)
        return MediaLink(url=signed.path, expires_at=signed.expires_at)

    @router.api_route("/media/{sha256}", methods=["GET", "HEAD"], include_in_schema=False)
    async def serve(
        sha256: Sha256,
        request: Request,
        expires: Annotated[int, Query(ge=0, le=2**40)],
        signature: Annotated[str, Query(pattern="^[0-9a-f]{64}$")],
    ) -> Response:
        """Bytes are named by their hash, so they may be cached for as long as the link lives."""
        try:
            signer.check(sha256, expires=expires, signature=signature, now=now())
        except LinkRefused as error:
            raise Problem(403, "Link refused", str(error)) from error
        return await _serve(media, sha256, request, max_age=max(0, expires - int(now().timestamp())))

    return router


async def _serve(media: MediaStore, sha256: str, request: Request, *, max_age: int) -> Response:
    size = await media.size(sha256)
    if size is None:
        raise Problem(404, "Not found", f"no media object {sha256} is stored")
    etag = f'"{sha256}"'
    headers = {
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Cache-Control": f"private, max-age={max_age}, immutable",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    try:
        span = span_of(_wanted_range(request, etag), size)
    except RangeNotSatisfiable as error:
        refused = problem_response(Problem(416, "Range not satisfiable", str(error)))
        refused.headers["Content-Range"] = f"bytes */{size}"
        return refused
    headers["Content-Length"] = str(span.length if span else size)
    if span is not None:
        headers["Content-Range"] = span.content_range
    head = await media.get_range(sha256, start=0, end=min(SNIFF_BYTES, size)) if size else b""
    first, end = (span.first, span.last + 1) if span else (0, size)
    status, media_type = 206 if span else 200, media_type_of(head)
    if request.method == "HEAD":
        return Response(status_code=status, media_type=media_type, headers=headers)
    return StreamingResponse(
        _parts(media, sha256, first, end), status_code=status, media_type=media_type, headers=headers
    )


def _wanted_range(request: Request, etag: str) -> str | None:
    """The Range header, unless If-Range names other bytes than these."""
    condition = request.headers.get("if-range")
    return request.headers.get("range") if condition in (None, etag) else None


async def _parts(media: MediaStore, sha256: str, first: int, end: int) -> AsyncIterator[bytes]:
    for start in range(first, end, CHUNK_BYTES):
        part = await media.get_range(sha256, start=start, end=min(start + CHUNK_BYTES, end))
        metrics.MEDIA_BYTES.inc(len(part))
        yield part
