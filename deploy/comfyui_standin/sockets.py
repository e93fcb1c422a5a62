"""The WebSocket side: one registration per client id, one send loop for everybody.

Two faults of the real server are kept on purpose: a client that stops reading holds up the messages of all, and closing
an old socket removes the registration of a newer one with the same client id.
"""

import asyncio
import contextlib
import uuid
from collections.abc import Callable

from aiohttp import WSMsgType, web

from deploy.comfyui_standin.node_types import JSON

FEATURES = {"supports_preview_metadata": True, "max_upload_size": 100 * 1024 * 1024}


class Sockets:
    """Lives on the event loop; `send` may be called from any thread."""

    def __init__(self, *, status: Callable[[], JSON], running_node: Callable[[str], str | None]) -> None:
        self._status, self._running_node = status, running_node
        self._by_id: dict[str, web.WebSocketResponse] = {}
        self._transports: dict[web.WebSocketResponse, asyncio.Transport | None] = {}
        self._messages: asyncio.Queue[tuple[str, JSON, str | None]] = asyncio.Queue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stall_s = 0.0
        self._released = asyncio.Event()

    def send(self, event: str, data: JSON, client_id: str | None) -> None:
        """Queue a message; it is lost when nobody is there to hear it."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._messages.put_nowait, (event, data, client_id))

    async def send_loop(self) -> None:
        """Deliver, one after the other, for ever."""
        self._loop = asyncio.get_running_loop()
        while True:
            event, data, client_id = await self._messages.get()
            if self._stall_s:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._released.wait(), self._stall_s)
                self._stall_s = 0.0
                if self._released.is_set():
                    continue
            sockets = list(self._by_id.values()) if client_id is None else [self._by_id.get(client_id)]
            for socket in sockets:
                if socket is not None:
                    with contextlib.suppress(ConnectionError, RuntimeError):
                        await socket.send_json({"type": event, "data": data})

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """GET /ws?clientId=..."""
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        client_id = request.rel_url.query.get("clientId") or uuid.uuid4().hex
        self._by_id[client_id] = socket
        self._transports[socket] = request.transport
        try:
            await socket.send_json({"type": "status", "data": {"status": self._status(), "sid": client_id}})
            node = self._running_node(client_id)
            if node is not None:
                await socket.send_json({"type": "executing", "data": {"node": node}})
            first = True
            async for message in socket:
                if first and message.type is WSMsgType.TEXT:
                    await self._greet(socket, message.json())
                first = False
        except (ConnectionError, ValueError):
            pass
        finally:
            self._by_id.pop(client_id, None)
            self._transports.pop(socket, None)
        return socket

    async def _greet(self, socket: web.WebSocketResponse, message: object) -> None:
        if isinstance(message, dict) and message.get("type") == "feature_flags":
            await socket.send_json({"type": "feature_flags", "data": FEATURES})

    def drop_all(self) -> int:
        """Cut every connection without a goodbye; how many there were."""
        dropped = 0
        for transport in list(self._transports.values()):
            if transport is not None:
                transport.abort()
                dropped += 1
        return dropped

    def drop_all_soon(self) -> None:
        """`drop_all` from any thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self.drop_all)

    def stall(self, seconds: float) -> None:
        """Hold up the next message, and so all, for this long."""
        self._released.clear()
        self._stall_s = seconds

    def forget(self) -> None:
        """Drop what isn't delivered yet, and end a stall."""
        self._released.set()
        while not self._messages.empty():
            self._messages.get_nowait()

    async def close_all(self) -> None:
        """For a shutdown."""
        for socket in list(self._transports):
            with contextlib.suppress(ConnectionError, RuntimeError):
                await socket.close()
