"""Signed media."""

from datetime import timedelta

import httpx
import pytest

from shared.clock import utc_now
from shared.media import MediaStore
from shared.media.links import LinkSigner

CLIP = b"\x00\x00\x00 ftypisom" + bytes(range(256)) * 4096


@pytest.fixture
async def sha256(media: MediaStore) -> str:
    return await media.put_bytes(CLIP)


async def linked(client: httpx.AsyncClient, sha256: str) -> str:
    answer = await client.get(f"/api/media/{sha256}/link")
    assert answer.status_code == 200
    url: str = answer.json()["url"]
    return url


async def test_a_link_opens_its_object_without_a_token(
    creator: httpx.AsyncClient, stranger: httpx.AsyncClient, sha256: str
) -> None:
    answer = await stranger.get(await linked(creator, sha256))
    assert (answer.status_code, answer.content) == (200, CLIP)
    assert answer.headers["content-type"] == "video/mp4"
    assert answer.headers["etag"] == f'"{sha256}"'
    assert answer.headers["content-length"] == str(len(CLIP))
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_video_element_gets_the_part_it_asks_for(
    creator: httpx.AsyncClient, stranger: httpx.AsyncClient, sha256: str
) -> None:
    url = await linked(creator, sha256)
    answer = await stranger.get(url, headers={"Range": "bytes=1000-300999"})
    assert (answer.status_code, answer.content) == (206, CLIP[1000:301_000])
    assert answer.headers["content-range"] == f"bytes 1000-300999/{len(CLIP)}"
    tail = await stranger.get(url, headers={"Range": "bytes=-5"})
    assert (tail.status_code, tail.content) == (206, CLIP[-5:])
    outside = await stranger.get(url, headers={"Range": f"bytes={len(CLIP)}-"})
    assert (outside.status_code, outside.headers["content-range"]) == (416, f"bytes */{len(CLIP)}")
    other = await stranger.get(url, headers={"Range": "bytes=0-9", "If-Range": '"other"'})
    assert (other.status_code, len(other.content)) == (200, len(CLIP))


async def test_a_browser_that_has_it_is_told_so(
    creator: httpx.AsyncClient, stranger: httpx.AsyncClient, sha256: str
) -> None:
    answer = await stranger.get(await linked(creator, sha256), headers={"If-None-Match": f'"{sha256}"'})
    assert (answer.status_code, answer.content) == (304, b"")


async def test_head_tells_the_size_and_sends_nothing(
    creator: httpx.AsyncClient, stranger: httpx.AsyncClient, sha256: str
) -> None:
    answer = await stranger.head(await linked(creator, sha256))
    assert (answer.status_code, answer.headers["content-length"], answer.content) == (200, str(len(CLIP)), b"")


async def test_a_changed_borrowed_or_expired_link_opens_nothing(
    creator: httpx.AsyncClient, stranger: httpx.AsyncClient, media: MediaStore, sha256: str
) -> None:
    url = await linked(creator, sha256)
    other = await media.put_bytes(b"another object")
    expired = LinkSigner(b"s" * 32).sign(sha256, now=utc_now() - timedelta(hours=2), lifetime=timedelta(hours=1)).path
    foreign = LinkSigner(b"x" * 32).sign(sha256, now=utc_now(), lifetime=timedelta(hours=1)).path
    for forged in (url.replace(sha256, other), url.replace("expires=", "expires=9"), expired, foreign):
        assert (await stranger.get(forged)).status_code == 403, forged


@pytest.mark.parametrize("path", ["/media/..%2fsecret?expires=1&signature=a", "/media/abc", "/api/media/zz/link"])
async def test_only_hashes_name_media(creator: httpx.AsyncClient, path: str) -> None:
    assert (await creator.get(path)).status_code in (404, 422)


async def test_a_link_is_for_signed_in_people_and_for_what_is_stored(
    creator: httpx.AsyncClient, stranger: httpx.AsyncClient, sha256: str
) -> None:
    assert (await stranger.get(f"/api/media/{sha256}/link")).status_code == 401
    assert (await creator.get(f"/api/media/{'0' * 64}/link")).status_code == 404
