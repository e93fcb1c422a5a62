"""The file by which the first token leaves the catalog."""

import os
import stat
from pathlib import Path

import pytest

from services.catalog.adapters.token_file import TokenFile


async def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    file = TokenFile(tmp_path / "made" / "on the way" / "token")
    assert await file.read() is None
    await file.write("secret")
    assert await file.read() == "secret"
    await file.write("other")
    assert await file.read() == "other"


async def test_only_the_owner_can_read_the_file_also_when_it_replaces_an_open_one(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("old")
    path.chmod(0o666)
    await TokenFile(path).write("secret")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_a_write_that_fails_leaves_the_old_token_and_no_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "token"
    file = TokenFile(path)
    await file.write("old")

    def full(_: int) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        await file.write("new")
    assert await file.read() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("content", [b"", b"  \n", b"\xff\xfe\x00"])
async def test_a_spoilt_file_reads_as_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "token"
    path.write_bytes(content)
    assert await TokenFile(path).read() is None
