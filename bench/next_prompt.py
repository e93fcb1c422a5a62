"""From a free server to its next prompt: one process simulates 16 servers of constant render time, 5,000 jobs wait.

The dispatcher is the real service in its own process, on a real PostgreSQL; the servers speak as much of ComfyUI's API
as it uses and tell, by their own clock, when each prompt was accepted, began and ended. Measured are the prompts that
follow another on their server. Without prefetch: from the end of one to the acceptance of the next. With it the next
waits there already, and what counts is how long the server stands idle. Servers of constant render time stay in step,
so that their prompts end in bursts: the worst case. There is no broker, so nothing is published.
"""

import asyncio
import json
import logging
import math
import multiprocessing
import os
import platform
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from aiohttp import web

from services.dispatch.settings import Settings
from shared.media import MediaStore
from shared.postgres import Database
from shared.video.encode import encode_h264
from tests.support import databases
from tests.support.dispatch import Dispatch, facts, generation_requested, seed_image_bytes
from tests.support.http import TestKeys
from tests.support.infrastructure import free_port, short_home, start_postgres

RESULTS = Path(__file__).parent / "results" / "next_prompt.json"
SERVERS, JOBS = 16, 5000
RENDER_SECONDS = 3.0
MEASURED = 400
"""Prompts that follow another: p99 is then the fourth worst."""

TARGET_MS = 50.0
ROOT = Path(__file__).parents[1]


@dataclass
class Simulated:
    """One server of constant render time. Times are seconds of this process's monotonic clock."""

    clip: bytes
    queue: list[tuple[str, Any, Any]] = field(default_factory=list)
    history: dict[str, Any] = field(default_factory=dict)
    sockets: dict[str, web.WebSocketResponse] = field(default_factory=dict)
    accepted: dict[str, float] = field(default_factory=dict)
    runs: list[tuple[str, float, float]] = field(default_factory=list)
    work: asyncio.Event = field(default_factory=asyncio.Event)

    def app(self) -> web.Application:
        app = web.Application()
        app.add_routes(
            [
                web.get("/system_stats", self.stats),
                web.get("/object_info", self.object_info),
                web.get("/queue", self.show_queue),
                web.post("/queue", self.change_queue),
                web.post("/interrupt", self.change_queue),
                web.get("/history/{id}", self.show_history),
                web.post("/prompt", self.prompt),
                web.post("/upload/image", self.upload),
                web.get("/view", self.view),
                web.get("/ws", self.socket),
            ]
        )
        return app

    async def render(self) -> None:
        while True:
            while not self.queue:
                self.work.clear()
                await self.work.wait()
            prompt_id, _, extra = self.queue[0]
            began = time.monotonic()
            began_ms = time.time() * 1000
            await self.say(extra, "execution_start", {"prompt_id": prompt_id})
            await asyncio.sleep(RENDER_SECONDS)
            self.queue.pop(0)
            self.history[prompt_id] = _entry(prompt_id, began_ms)
            self.runs.append((prompt_id, began, time.monotonic()))
            await self.say(extra, "executing", {"prompt_id": prompt_id, "node": None})

    async def say(self, extra: Any, kind: str, data: dict[str, Any]) -> None:
        socket = self.sockets.get(extra.get("client_id", ""))
        if socket is not None and not socket.closed:
            await socket.send_json({"type": kind, "data": data})

    async def prompt(self, request: web.Request) -> web.Response:
        body = await request.json()
        extra = {**body.get("extra_data", {}), "client_id": body.get("client_id")}
        self.queue.append((body["prompt_id"], body["prompt"], extra))
        self.accepted[body["prompt_id"]] = time.monotonic()
        self.work.set()
        return web.json_response({"prompt_id": body["prompt_id"], "number": len(self.accepted), "node_errors": {}})

    async def show_queue(self, _: web.Request) -> web.Response:
        items = [[n, prompt_id, graph, extra, ["20"]] for n, (prompt_id, graph, extra) in enumerate(self.queue)]
        return web.json_response({"queue_running": items[:1], "queue_pending": items[1:]})

    async def change_queue(self, request: web.Request) -> web.Response:
        gone = set((await request.json()).get("delete", []))
        self.queue[1:] = [waiting for waiting in self.queue[1:] if waiting[0] not in gone]
        return web.Response()

    async def show_history(self, request: web.Request) -> web.Response:
        prompt_id = request.match_info["id"]
        return web.json_response({prompt_id: self.history[prompt_id]} if prompt_id in self.history else {})

    async def stats(self, _: web.Request) -> web.Response:
        return web.json_response({"system": {"comfyui_version": "simulated"}, "devices": [{"name": "none"}]})

    async def object_info(self, _: web.Request) -> web.Response:
        return web.json_response({})

    async def upload(self, request: web.Request) -> web.Response:
        part = await anext(aiter(await request.multipart()))
        await part.read()  # type: ignore[union-attr]
        return web.json_response({"name": part.filename, "subfolder": "", "type": "input"})  # type: ignore[union-attr]

    async def view(self, _: web.Request) -> web.Response:
        return web.Response(body=self.clip, content_type="video/mp4")

    async def socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.sockets[request.query["clientId"]] = socket
        async for _ in socket:
            pass
        return socket


def _entry(prompt_id: str, began_ms: float) -> dict[str, Any]:
    file = {"filename": f"{prompt_id}.mp4", "subfolder": "", "type": "output"}
    times = {"execution_start": began_ms, "execution_success": time.time() * 1000}
    return {
        "prompt": [0, prompt_id, {}, {}, ["20"]],
        "outputs": {"20": {"images": [file], "animated": [True]}},
        "status": {
            "status_str": "success",
            "completed": True,
            "messages": [[kind, {"prompt_id": prompt_id, "timestamp": at}] for kind, at in times.items()],
        },
    }


async def _simulate(ports: list[int], clip: bytes, parent: Connection) -> None:
    farm = [Simulated(clip) for _ in ports]
    for port, server in zip(ports, farm, strict=True):
        runner = web.AppRunner(server.app(), access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
    renders = [asyncio.create_task(server.render()) for server in farm]
    parent.send("ready")
    while sum(max(0, len(server.runs) - 1) for server in farm) < MEASURED + SERVERS:
        await asyncio.sleep(0.2)
    for render in renders:
        render.cancel()
    parent.send([(server.accepted, server.runs) for server in farm])


def simulate(ports: list[int], clip: bytes, parent: Connection) -> None:
    """The process of the servers."""
    asyncio.run(_simulate(ports, clip, parent))


async def fill_queue(database_url: str, media_root: Path) -> None:
    """One request as the service takes it, and copies of its rows."""
    database = Database(dsn=database_url, service="dispatch")
    await database.open()
    try:
        dispatch = Dispatch(database, MediaStore.in_folder(media_root), [])
        seed_image = await dispatch.media.put_bytes(seed_image_bytes())
        await dispatch.learn(*facts(seed_image), generation_requested(seed_image, segments=1))
        for copies in COPIES:
            await database.pool.execute(copies, JOBS)
        await database.pool.execute("ANALYZE")
    finally:
        await database.close()


COPIES = (
    """
    INSERT INTO scenes SELECT (jsonb_populate_record(one, jsonb_build_object('id', n,
        'request_id', gen_random_uuid()))).*
    FROM scenes AS one, generate_series(2, $1::int) AS n WHERE one.id = 1
    """,
    """
    INSERT INTO segments SELECT (jsonb_populate_record(one, jsonb_build_object('id', n, 'scene_id', n))).*
    FROM segments AS one, generate_series(2, $1::int) AS n WHERE one.id = 1
    """,
    """
    INSERT INTO generation_jobs SELECT (jsonb_populate_record(one, jsonb_build_object('id', n,
        'uid', gen_random_uuid(), 'scene_id', n, 'segment_id', n))).*
    FROM generation_jobs AS one, generate_series(2, $1::int) AS n WHERE one.id = 1
    """,
)


Farm = list[tuple[dict[str, float], list[tuple[str, float, float]]]]
"""Of each server: when each prompt was accepted, and (prompt, began, ended) in the order in which they ran."""


def waits(farm: Farm) -> tuple[list[float], list[float]]:
    """Milliseconds from the end of a prompt to the acceptance of the next, 0 when it was there already; and to its
    beginning, in which the server stands idle. The first two prompts of a server are its start and do not count.
    """
    accepted_after, idle = [], []
    for accepted, runs in farm:
        for (_, _, ended), (following, began, _) in list(pairwise(runs))[1:]:
            accepted_after.append(max(0.0, accepted[following] - ended) * 1000)
            idle.append((began - ended) * 1000)
    return sorted(accepted_after), sorted(idle)


def run(*, prefetch: int) -> dict[str, Any]:
    with ExitStack() as stack:
        admin = os.environ.get("RUSHES_TEST_POSTGRES_DSN")
        if admin is None:
            server = start_postgres(stack.enter_context(short_home()))
            stack.callback(server.stop)
            admin = server.dsn
        name = databases.create_template(admin)
        stack.callback(databases.drop, admin, name)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rushes-bench-")))
        database_url = databases.service_dsn(admin, name, "dispatch")
        asyncio.run(fill_queue(database_url, folder / "media"))
        clip = folder / "clip.mp4"
        encode_h264(clip, (np.full((64, 64, 3), 40 * n, np.uint8) for n in range(5)), fps=12.0)
        ports = [free_port() for _ in range(SERVERS)]
        ours, theirs = multiprocessing.Pipe()
        simulator = multiprocessing.Process(target=simulate, args=(ports, clip.read_bytes(), theirs), daemon=True)
        simulator.start()
        stack.callback(simulator.kill)
        assert ours.recv() == "ready"
        environment = {
            "RUSHES_KAFKA_BOOTSTRAP": "127.0.0.1:1",
            "RUSHES_DATABASE_URL": database_url,
            "RUSHES_MEDIA_ROOT": str(folder / "media"),
            "RUSHES_TOKEN_PUBLIC_KEY_FILE": str(TestKeys(folder).public_key_file),
            "RUSHES_HTTP_PORT": str(free_port()),
            "DISPATCH_COMFYUI_URLS": ",".join(f"http://127.0.0.1:{port}" for port in ports),
            "DISPATCH_PREFETCH": str(prefetch),
        }
        log = stack.enter_context((folder / "dispatch.log").open("wb"))
        command = [sys.executable, "-m", "services.dispatch"]
        dispatcher = subprocess.Popen(command, cwd=ROOT, env=os.environ | environment, stdout=log, stderr=log)
        stack.callback(dispatcher.wait)
        stack.callback(dispatcher.terminate)
        if not ours.poll(RENDER_SECONDS * MEASURED / SERVERS * 4 + 60):
            raise SystemExit((folder / "dispatch.log").read_text()[-4000:])
        return _result(*waits(ours.recv()), prefetch=prefetch)


def _result(accepted_after: list[float], idle: list[float], *, prefetch: int) -> dict[str, Any]:
    return {
        "prefetch": prefetch,
        "prompts": len(idle),
        "accepted_after_end_ms": _shares(accepted_after),
        "idle_between_prompts_ms": _shares(idle),
    }


def _shares(found: list[float]) -> dict[str, float]:
    ranks = {f"p{percent}": math.ceil(percent / 100 * len(found)) - 1 for percent in (50, 95, 99)}
    return {name: round(found[rank], 1) for name, rank in ranks.items()} | {"worst": round(found[-1], 1)}


def main() -> None:
    logging.disable(logging.ERROR)
    results: dict[str, Any] = {
        "servers": SERVERS,
        "queued_jobs": JOBS,
        "render_seconds": RENDER_SECONDS,
        "target_p95_ms": TARGET_MS,
        "runs": [run(prefetch=prefetch) for prefetch in (0, Settings.model_fields["prefetch"].default)],
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}",
    }
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    print(json.dumps(results, indent=2))
    p95 = results["runs"][-1]["accepted_after_end_ms"]["p95"]
    if p95 > TARGET_MS:
        raise SystemExit(f"the 95th percentile is {p95} ms; the target is {TARGET_MS} ms")


if __name__ == "__main__":
    main()
