"""Stored files as paths, for work that opens several of them at once."""

from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path
from typing import Protocol

from shared.media.store import MediaChanged, MediaMissing


class LocalFiles(Protocol):
    """Stored objects as files, each until its context ends."""

    def local_path(self, sha256: str, *, verify: bool = False) -> AbstractAsyncContextManager[Path]: ...


async def fetched(media: LocalFiles, files: AsyncExitStack, sha256: str) -> Path | str:
    """The file, until `files` are closed, or why there is none; its bytes still have their hash."""
    try:
        return await files.enter_async_context(media.local_path(sha256, verify=True))
    except MediaMissing:
        return "is not stored"
    except MediaChanged:
        return "was changed in the store: its bytes no longer have its hash"
