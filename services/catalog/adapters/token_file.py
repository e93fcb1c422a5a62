"""The file by which the first admin's token leaves the catalog."""

import asyncio
import os
import tempfile
from pathlib import Path


class TokenFile:
    """Readable by its owner only, as mkstemp makes it. Written beside its place and renamed: it is whole or absent."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def read(self) -> str | None:
        """The token in the file; None when there is no file, or nothing in it."""
        return await asyncio.to_thread(self._read)

    async def write(self, token: str) -> None:
        await asyncio.to_thread(self._write, token)

    def _read(self) -> str | None:
        try:
            return self._path.read_text(encoding="ascii").strip() or None
        except (FileNotFoundError, UnicodeDecodeError):
            return None

    def _write(self, token: str) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=self._path.parent, prefix=f".{self._path.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(token + "\n")
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, self._path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
