"""Stored media: the name of an object is the hash of its bytes, so that it can never change unseen."""

import asyncio
import hashlib
import re
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore

from shared.errors import TransientError

_SHA256 = re.compile(r"[0-9a-f]{64}")
CHUNK_BYTES = 1024 * 1024


class MediaMissing(Exception):
    """No object of this hash is stored."""


class MediaChanged(Exception):
    """The stored bytes no longer have the hash that names them; they must not be used as a baseline."""


class MediaStore:
    """Objects by sha256, never overwritten. Storing the same bytes twice is harmless."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    @classmethod
    def in_folder(cls, root: Path) -> "MediaStore":
        root.mkdir(parents=True, exist_ok=True)
        return cls(LocalStore(root.resolve(), mkdir=True))

    async def put_bytes(self, data: bytes) -> str:
        """Returns the hash. A crash in the middle leaves nothing under the name."""
        sha256 = hashlib.sha256(data).hexdigest()
        if not await self.exists(sha256):
            await self._put(sha256, data)
        return sha256

    async def put_file(self, path: Path) -> str:
        sha256 = await asyncio.to_thread(_hash_of_file, path)
        if not await self.exists(sha256):
            await self._put(sha256, path)
        return sha256

    async def _put(self, sha256: str, data: bytes | Path) -> None:
        try:
            await obstore.put_async(self._store, _path_of(sha256), data)
        except (BaseError, OSError) as error:
            raise TransientError(f"the media store did not take {sha256}: {error}") from error

    async def exists(self, sha256: str) -> bool:
        return await self.size(sha256) is not None

    async def size(self, sha256: str) -> int | None:
        """In bytes; None when it is not stored."""
        try:
            return (await obstore.head_async(self._store, _path_of(sha256)))["size"]
        except FileNotFoundError:
            return None

    async def get(self, sha256: str, *, verify: bool = False) -> bytes:
        """All bytes. Raises MediaMissing, and MediaChanged when `verify` finds another hash."""
        try:
            data = bytes(await (await obstore.get_async(self._store, _path_of(sha256))).bytes_async())
        except FileNotFoundError as error:
            raise MediaMissing(sha256) from error
        if verify and hashlib.sha256(data).hexdigest() != sha256:
            raise MediaChanged(sha256)
        return data

    async def get_range(self, sha256: str, *, start: int, end: int) -> bytes:
        """Bytes start to end, without the one at `end`."""
        try:
            return bytes(await obstore.get_range_async(self._store, _path_of(sha256), start=start, end=end))
        except FileNotFoundError as error:
            raise MediaMissing(sha256) from error

    @asynccontextmanager
    async def local_path(self, sha256: str, *, verify: bool = False) -> AsyncIterator[Path]:
        """The object as a file for programs that need one; the file is gone afterwards."""
        data = await self.get(sha256, verify=verify)
        with tempfile.TemporaryDirectory(prefix="rushes-media-") as folder:
            path = Path(folder) / sha256
            await asyncio.to_thread(path.write_bytes, data)
            yield path


def _path_of(sha256: str) -> str:
    """Raises ValueError for anything but a hash: no path from outside reaches the store."""
    if not _SHA256.fullmatch(sha256):
        raise ValueError("a media object is named by 64 lower-case hexadecimal digits")
    return f"sha256/{sha256[:2]}/{sha256}"


def _hash_of_file(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
