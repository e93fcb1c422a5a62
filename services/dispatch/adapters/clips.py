"""Decoding in a process of its own: a file that crashes the decoder costs one attempt, not the service."""

import asyncio
import multiprocessing
import os
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import parent_process
from pathlib import Path
from typing import TypeVar

from shared.video.decode import ExaminedVideo, VideoError, examine
from shared.video.webp import is_webp, webp_to_mp4

T = TypeVar("T")


class UnreadableClip(Exception):
    """The file is no clip; the text says why."""


class ClipReader:
    """Decodes clips one after the other, in a process that is replaced when it dies."""

    def __init__(self, *, deadline_seconds: float) -> None:
        self._deadline_seconds = deadline_seconds
        self._pool: ProcessPoolExecutor | None = None

    async def start(self) -> None:
        """Begin to start the process. It needs a second, which the first clip should not have to wait for."""
        self._open().submit(_is_there)

    async def examine(self, path: Path) -> ExaminedVideo:
        """Decode everything once. Raises UnreadableClip, also when decoding takes longer than the deadline."""
        return await self._within_deadline(examine, path)

    async def as_video(self, path: Path, *, fps: float | None = None, frames: int | None = None) -> Path:
        """The same file, or an MP4 beside it where it is an animated WebP. Raises UnreadableClip.

        `fps` and `frames`: what the clip was to have, where that is known; a WebP may not tell.
        """
        if not is_webp(path):
            return path
        target = path.with_suffix(".mp4")
        await self._within_deadline(partial(webp_to_mp4, fps=fps, frames=frames), path, target)
        return target

    async def _within_deadline(self, read: Callable[..., T], *paths: Path) -> T:
        loop = asyncio.get_running_loop()
        try:
            work = loop.run_in_executor(self._open(), read, *paths)
            return await asyncio.wait_for(work, timeout=self._deadline_seconds)
        except VideoError as error:
            raise UnreadableClip(str(error)) from error
        except BrokenProcessPool as error:
            self.close()
            raise UnreadableClip("the decoder crashed on this file") from error
        except TimeoutError as error:
            self.close()
            raise UnreadableClip(f"decoding took longer than {self._deadline_seconds:g} s") from error

    def close(self) -> None:
        """Without waiting for a decoder that hangs."""
        if self._pool is None:
            return
        pool, self._pool = self._pool, None
        for process in list((pool._processes or {}).values()):
            process.kill()
        pool.shutdown(wait=False, cancel_futures=True)

    def _open(self) -> ProcessPoolExecutor:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                max_workers=1, mp_context=multiprocessing.get_context("spawn"), initializer=_end_with_parent
            )
        return self._pool


def _is_there() -> None:
    """Its import is the work: this module brings the decoder with it."""


def _end_with_parent() -> None:
    """A killed service must not leave its decoder behind: nobody else would end it."""

    def watch() -> None:
        parent = parent_process()
        if parent is not None:
            parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
