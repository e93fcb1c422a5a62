"""ComfyUI over its HTTP and WebSocket API: the one adapter.

Polling is the truth, the websocket a hint. A prompt is looked up in the queue first and in the history second: it moves
only in that direction, each step atomic, so in this order it cannot slip past.
"""

import asyncio
import contextlib
import json
import time
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp

from services.dispatch.adapters.comfyui_history import MAX_MESSAGE, refusal_of, result_of, snapshot_of
from services.dispatch.adapters.comfyui_messages import progress_of
from services.dispatch.adapters.render_server import (
    Absent,
    Finished,
    Graph,
    Location,
    OutputFile,
    PermanentRenderError,
    Progress,
    Queued,
    QueueSnapshot,
    RenderLost,
    RenderResult,
    Running,
    ServerStats,
    ServerStuck,
    ServerUnreachable,
    SubmissionUnknown,
    TransientRenderError,
)

CANCEL_POLL_S = 0.1
RECONNECT_S = 1.0
HEARTBEAT_S = 20.0
"""Our pings: the server sends none, and a half-open connection would look like a quiet one."""

MAX_FRAME_BYTES = 64 * 1024 * 1024
"""Previews can exceed aiohttp's default of 4 MiB, and a frame that is too large closes the connection."""

NEWS_LIMIT = 256
"""Progress messages kept for a slow reader; older ones are dropped, so that the socket is always read at once."""

CHUNK_BYTES = 256 * 1024


class ComfyUIServer:
    """One ComfyUI process. `name` is how job rows know it; `request_timeout_s` bounds every call but downloads."""

    def __init__(
        self,
        *,
        name: str,
        url: str,
        request_timeout_s: float = 15.0,
        read_timeout_s: float = 60.0,
        cancel_s: float = 30.0,
    ) -> None:
        self.name = name
        self._url = url.rstrip("/")
        self._timeout = aiohttp.ClientTimeout(total=request_timeout_s)
        self._download_timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=request_timeout_s, sock_read=read_timeout_s
        )
        self._settle_s, self._cancel_s = request_timeout_s, cancel_s
        self._session: aiohttp.ClientSession | None = None
        self._client_id: str | None = None
        self._silent_id = uuid.uuid4().hex

    @property
    def listening(self) -> bool:
        """Whether prompts submitted now will be heard of through `progress`."""
        return self._client_id is not None

    async def close(self) -> None:
        """Let go of all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def stats(self) -> ServerStats:
        """`/system_stats` answers only when loading is done."""
        answer = await self._get("/system_stats")
        system, devices = answer.get("system", {}), answer.get("devices") or [{}]
        return ServerStats(
            engine=f"ComfyUI {system.get('comfyui_version', 'unknown')}",
            python=system.get("python_version"),
            torch=system.get("pytorch_version"),
            device=devices[0].get("name"),
        )

    async def object_info(self) -> Mapping[str, Any]:
        """About 350 kB."""
        return await self._get("/object_info")

    async def queue(self) -> QueueSnapshot:
        """What it has to do, other people's prompts included."""
        return snapshot_of(await self._get("/queue"))

    async def upload_image(self, *, sha256: str, content: bytes, extension: str = "png", salt: str = "") -> str:
        """Named by content, never overwritten: an upload under jobs already queued would change their picture."""
        stem = f"{sha256}-{salt}" if salt else sha256
        form = aiohttp.FormData(quote_fields=False)
        form.add_field("image", content, filename=f"{stem}.{extension}", content_type="application/octet-stream")
        form.add_field("type", "input")
        status, answer = await self._call("POST", "/upload/image", data=form)
        if status == 413:
            raise PermanentRenderError(
                f"a picture of {len(content)} bytes is too large for the render server", kind="bad_output"
            )
        if status != 200 or not isinstance(answer, dict):
            raise ServerUnreachable(f"{self.name}: an upload was answered with {status}")
        return "/".join(part for part in (str(answer.get("subfolder", "")), str(answer["name"])) if part)

    async def submit(
        self, *, prompt_id: str, graph: Graph, labels: Mapping[str, str] | None = None, is_new: bool = False
    ) -> None:
        """Safe to call twice: an id that is known there is not sent again. `labels` show up in queue and history.

        There is always a client id, of nobody while we do not listen: without one the server leaves the files of
        cached output nodes out of the history, and sends its progress to everybody. A node without `inputs` is never
        sent: the server would accept it, and render nothing more until it is restarted.
        """
        if bare := [node_id for node_id, node in graph.items() if not isinstance(node.get("inputs"), dict)]:
            raise PermanentRenderError(f"node {bare[0]} has no inputs", kind="invalid_graph", node=bare[0])
        if not is_new and not isinstance(await self.locate(prompt_id), Absent):
            return
        body: dict[str, Any] = {
            "prompt": graph,
            "prompt_id": prompt_id,
            "client_id": self._client_id or self._silent_id,
            "extra_data": dict(labels or {}),
        }
        try:
            status, answer = await self._call("POST", "/prompt", json=body)
        except ServerUnreachable as problem:
            await self._settle_submission(prompt_id, str(problem))
            return
        if status == 200 and isinstance(answer, dict):
            await self._accept(prompt_id, answer)
        elif status == 400:
            raise refusal_of(answer)
        elif status == 413:
            raise PermanentRenderError("the graph is larger than the render server takes", kind="invalid_graph")
        else:
            await self._settle_submission(prompt_id, f"{self.name}: /prompt was answered with {status}")

    async def _accept(self, prompt_id: str, answer: Mapping[str, Any]) -> None:
        """200 with node_errors means that a part will not run; then nothing of it shall."""
        if answer.get("node_errors"):
            await self.cancel(prompt_id)
            raise refusal_of(answer)
        if answer.get("prompt_id") != prompt_id:
            await self.cancel(str(answer.get("prompt_id")))
            raise PermanentRenderError("the render server ignores our prompt ids", kind="invalid_graph")

    async def _settle_submission(self, prompt_id: str, reason: str) -> None:
        """Even a 500 may have queued it."""
        if isinstance(await self.locate(prompt_id), Absent):
            raise SubmissionUnknown(reason, settle_s=self._settle_s)

    async def locate(self, prompt_id: str, *, ended: bool = False) -> Location:
        """Queue first, history second; what is in the history has ended for good, so a hint may ask there before."""
        if ended and (entry := (await self._get(f"/history/{prompt_id}")).get(prompt_id)) is not None:
            return Finished(entry)
        snapshot = await self.queue()
        if prompt_id in snapshot.running:
            return Running()
        if prompt_id in snapshot.pending:
            return Queued(len(snapshot.running) + snapshot.pending.index(prompt_id))
        entry = (await self._get(f"/history/{prompt_id}")).get(prompt_id)
        return Absent() if entry is None else Finished(entry)

    def result(self, found: Finished, expected_nodes: Sequence[str]) -> RenderResult:
        """The verdict on a history entry."""
        return result_of(found.entry, expected_nodes)

    async def cancel(self, prompt_id: str) -> Finished | Absent:
        """Delete and interrupt until it is in the history or absent; one of them alone can miss it on its way."""
        deadline = time.monotonic() + self._cancel_s
        while True:
            await self._command("/queue", {"delete": [prompt_id]})
            await self._command("/interrupt", {"prompt_id": prompt_id})
            where = await self.locate(prompt_id)
            if isinstance(where, Finished | Absent):
                return where
            if time.monotonic() >= deadline:
                raise ServerStuck(f"{self.name}: prompt {prompt_id} did not stop within {self._cancel_s:g} s")
            await asyncio.sleep(CANCEL_POLL_S)

    async def withdraw(self, prompt_id: str) -> Location:
        """Deleting touches only what is pending; the look-up tells whether it began just before."""
        await self._command("/queue", {"delete": [prompt_id]})
        return await self.locate(prompt_id)

    async def download(self, file: OutputFile, target: Path, *, max_bytes: int) -> int:
        """Written beside `target` first and moved there when complete."""
        query = {"filename": file.filename, "subfolder": file.subfolder, "type": file.type}
        part = target.with_name(f"{target.name}.{uuid.uuid4().hex}.part")
        try:
            async with self._open().get(f"{self._url}/view", params=query, timeout=self._download_timeout) as answer:
                if answer.status == 404:
                    raise RenderLost(f"{file.filename} is not on the render server any more")
                if answer.status != 200:
                    raise TransientRenderError(f"/view was answered with {answer.status}", kind="bad_output")
                size = await _store(answer, part, max_bytes)
            part.replace(target)
            return size
        except (aiohttp.ClientError, TimeoutError) as problem:
            raise ServerUnreachable(f"{self.name}: {problem or type(problem).__name__}") from problem
        finally:
            part.unlink(missing_ok=True)

    async def progress(self) -> AsyncIterator[Progress]:
        """Each connection has its own client id: an old one's end would silence a new one of the same name.

        What was submitted over an earlier connection is therefore no longer heard of; polling finds it.
        """
        while True:
            news: asyncio.Queue[Progress | None] = asyncio.Queue()
            reader = asyncio.create_task(self._read_socket(news))
            try:
                while (item := await news.get()) is not None:
                    yield item
            finally:
                reader.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await reader
            await asyncio.sleep(RECONNECT_S)

    async def _read_socket(self, news: asyncio.Queue[Progress | None]) -> None:
        client_id = uuid.uuid4().hex
        try:
            connection = self._open().ws_connect(
                f"{self._url}/ws?clientId={client_id}", heartbeat=HEARTBEAT_S, max_msg_size=MAX_FRAME_BYTES
            )
            async with connection as socket:
                self._client_id = client_id
                async for message in socket:
                    told = progress_of(message.data) if message.type is aiohttp.WSMsgType.TEXT else None
                    if told is None:
                        continue
                    if news.qsize() >= NEWS_LIMIT:
                        news.get_nowait()
                    news.put_nowait(told)
        except (aiohttp.ClientError, TimeoutError, OSError):
            pass
        finally:
            self._client_id = None
            news.put_nowait(None)

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout)
        return self._session

    async def _call(self, method: str, path: str, **arguments: Any) -> tuple[int, Any]:
        try:
            async with self._open().request(method, self._url + path, **arguments) as answer:
                content = await answer.read()
                return answer.status, _json_or_text(content)
        except (aiohttp.ClientError, TimeoutError, OSError) as problem:
            raise ServerUnreachable(f"{self.name}: {problem or type(problem).__name__}") from problem

    async def _get(self, path: str) -> Mapping[str, Any]:
        status, answer = await self._call("GET", path)
        if status != 200 or not isinstance(answer, dict):
            raise ServerUnreachable(f"{self.name}: {path} was answered with {status}")
        return answer

    async def _command(self, path: str, body: Mapping[str, Any]) -> None:
        status, _ = await self._call("POST", path, json=body)
        if status != 200:
            raise ServerUnreachable(f"{self.name}: {path} was answered with {status}")


async def _store(answer: aiohttp.ClientResponse, part: Path, max_bytes: int) -> int:
    declared = answer.content_length
    too_large = PermanentRenderError(f"the rendered file is larger than {max_bytes} bytes", kind="bad_output")
    if declared is not None and declared > max_bytes:
        raise too_large
    size = 0
    with part.open("wb") as target:
        async for chunk in answer.content.iter_chunked(CHUNK_BYTES):
            size += len(chunk)
            if size > max_bytes:
                raise too_large
            target.write(chunk)
    if declared is not None and size != declared:
        raise TransientRenderError(f"the file ended after {size} of {declared} bytes", kind="bad_output")
    return size


def _json_or_text(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return content.decode(errors="replace")[:MAX_MESSAGE]
