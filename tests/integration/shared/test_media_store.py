"""Stored media never change unseen, and only hashes name them."""

from pathlib import Path

import pytest

from shared.media import MediaChanged, MediaMissing, MediaStore


async def test_bytes_and_files_are_stored_under_their_hash(media: MediaStore, tmp_path: Path) -> None:
    sha256 = await media.put_bytes(b"clip")
    file = tmp_path / "clip.mp4"
    file.write_bytes(b"clip")
    assert await media.put_file(file) == sha256
    assert await media.get(sha256, verify=True) == b"clip"
    assert await media.size(sha256) == 4
    assert await media.get_range(sha256, start=1, end=3) == b"li"
    async with media.local_path(sha256) as path:
        assert path.read_bytes() == b"clip"
    assert not path.exists()


async def test_a_missing_object_is_said_to_be_missing(media: MediaStore) -> None:
    assert not await media.exists("0" * 64)
    with pytest.raises(MediaMissing):
        await media.get("0" * 64)


async def test_an_object_that_was_changed_on_disk_is_noticed(media: MediaStore, tmp_path: Path) -> None:
    sha256 = await media.put_bytes(b"clip")
    (tmp_path / "media" / "sha256" / sha256[:2] / sha256).write_bytes(b"else")
    assert await media.get(sha256) == b"else"
    with pytest.raises(MediaChanged):
        await media.get(sha256, verify=True)


@pytest.mark.parametrize("name", ["../../etc/passwd", "a", "A" * 64, "a" * 65, ""])
async def test_what_is_no_hash_never_reaches_the_store(media: MediaStore, name: str) -> None:
    with pytest.raises(ValueError, match="64 lower-case"):
        await media.exists(name)
