"""What bites in ComfyUI, each on the stand-in and on a real server: the stand-in is worth as much as this agreement.

The real one is started where RUSHES_TEST_COMFYUI_DIR and RUSHES_TEST_COMFYUI_PYTHON name it. How our client lives with
each is in docs/comfyui.md and in tests/integration/dispatch/test_comfyui_client_contract.py.
"""

import asyncio
import contextlib
import io
import itertools
import json
import socket
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
from PIL import Image

from tests.support.real_comfyui import RealComfyUI, missing, running_comfyui
from tests.support.standin import Graph, StandInProcess, running_standin, still_graph

WITHIN_S = 60.0
SILENT_S = 1.0
"""Long enough for a message that is on its way: it takes milliseconds."""

PICTURE = "oddities.png"


class Engine:
    """One server, its folder of outputs, and how it is restarted."""

    def __init__(self, server: StandInProcess | RealComfyUI, base: Path) -> None:
        self._server, self.base, self.url = server, base, server.url
        picture = np.mgrid[0:64, 0:64].sum(axis=0).astype(np.uint8)
        target = io.BytesIO()
        Image.fromarray(picture).convert("RGB").save(target, "png")
        (base / "input" / PICTURE).write_bytes(target.getvalue())

    def restart(self) -> None:
        if isinstance(self._server, StandInProcess):
            self._server.restart()
            return
        self._server.kill()
        self._server.start_again()
        self._server.wait_until_ready()

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """What runs goes on meanwhile: of the stand-in for certain, of a real server as long as its work takes."""
        with self._server.held() if isinstance(self._server, StandInProcess) else contextlib.nullcontext():
            yield

    async def get(self, path: str) -> Any:
        async with aiohttp.ClientSession() as session, session.get(self.url + path) as answer:
            assert answer.status == 200
            return await answer.json()

    async def post(self, path: str, body: Any) -> Any:
        async with aiohttp.ClientSession() as session, session.post(self.url + path, json=body) as answer:
            assert answer.status == 200, await answer.text()
            content = await answer.read()
        return json.loads(content) if content else None

    async def submit(self, graph: Graph, **more: Any) -> Any:
        return await self.post("/prompt", {"prompt": graph, "client_id": "nobody", **more})

    async def until_finished(self, prompt_id: str) -> Any:
        deadline = time.monotonic() + WITHIN_S
        while not (answer := await self.get(f"/history/{prompt_id}")):
            assert time.monotonic() < deadline, f"{prompt_id} did not finish"
            await asyncio.sleep(0.02)
        return answer[prompt_id]

    async def run(self, graph: Graph, **more: Any) -> Any:
        return await self.until_finished((await self.submit(graph, **more))["prompt_id"])

    async def queue(self) -> tuple[list[str], list[str]]:
        """The ids that run and that wait."""
        found = await self.get("/queue")
        return [item[1] for item in found["queue_running"]], [item[1] for item in found["queue_pending"]]


@pytest.fixture(scope="module", params=["standin", "real"])
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    base = tmp_path_factory.mktemp("oddities")
    if request.param == "standin":
        with running_standin(base) as standin:
            yield Engine(standin, base)
        return
    if reason := missing():
        pytest.skip(reason)
    with running_comfyui(base) as real:
        real.wait_until_ready()
        yield Engine(real, base)


def still(prefix: str | None = None, **more: Any) -> Graph:
    return still_graph(image=PICTURE, prefix=prefix or unique(), **more)


def unique() -> str:
    return f"t/{uuid.uuid4().hex}/clip"


def with_cycle(graph: Graph) -> Graph:
    for node, source in (("40", "41"), ("41", "40")):
        graph[node] = {"class_type": "RepeatImageBatch", "inputs": {"image": [source, 0], "amount": 1}}
    graph["42"] = {"class_type": "SaveImage", "inputs": {"images": ["40", 0], "filename_prefix": unique()}}
    return graph


def saved(entry: Any) -> Any:
    return entry["outputs"]["20"]["images"][0]


async def test_the_history_is_readable_only_when_executing_null_was_said(engine: Engine) -> None:
    """`execution_success` comes before; on the stand-in the time between can be stretched, see its other tests."""
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{engine.url}/ws?clientId=ends") as listening:
        answer = await engine.submit(still(), client_id="ends")
        told: list[Any] = []
        while not told or told[-1] != ("executing", None):
            message = await listening.receive_json(timeout=WITHIN_S)
            told.append((message["type"], message["data"].get("node")))
        assert ("execution_success", None) in told
        assert (await engine.get(f"/history/{answer['prompt_id']}"))[answer["prompt_id"]]["status"]["completed"]


async def test_a_faulty_output_beside_a_good_one_is_dropped_under_a_200(engine: Engine) -> None:
    graph = still()
    graph["30"] = {"class_type": "LoadImage", "inputs": {"image": "missing.png"}}
    graph["31"] = {"class_type": "SaveImage", "inputs": {"images": ["30", 0], "filename_prefix": unique()}}
    answer = await engine.submit(graph)
    assert list(answer["node_errors"]) == ["30"]
    entry = await engine.until_finished(answer["prompt_id"])
    assert (entry["prompt"][4], list(entry["outputs"]), entry["status"]["status_str"]) == (["20"], ["20"], "success")


async def test_a_cycle_drops_its_output_without_a_word(engine: Engine) -> None:
    answer = await engine.submit(with_cycle(still()))
    assert answer["node_errors"] == {}
    entry = await engine.until_finished(answer["prompt_id"])
    assert (entry["prompt"][4], list(entry["outputs"]), entry["status"]["status_str"]) == (["20"], ["20"], "success")


async def test_a_cached_result_names_the_older_file(engine: Engine) -> None:
    graph = still()
    first, second = await engine.run(graph), await engine.run(graph)
    assert second["outputs"] == first["outputs"]
    assert "20" in second["status"]["messages"][1][1]["nodes"]


async def test_a_cached_result_is_left_out_for_who_gives_no_client_id(engine: Engine) -> None:
    graph = still()
    await engine.run(graph)
    answer = await engine.post("/prompt", {"prompt": graph})
    entry = await engine.until_finished(answer["prompt_id"])
    assert (entry["status"]["status_str"], entry["outputs"]) == ("success", {})


async def test_a_cached_result_may_name_a_file_that_is_gone(engine: Engine) -> None:
    graph = still()
    file = saved(await engine.run(graph))
    (engine.base / "output" / file["subfolder"] / file["filename"]).unlink()
    assert saved(await engine.run(graph)) == file
    async with aiohttp.ClientSession() as session, session.get(f"{engine.url}/view", params=file) as answer:
        assert answer.status == 404


async def test_the_name_of_a_deleted_file_is_used_again(engine: Engine) -> None:
    prefix = unique()
    first = saved(await engine.run(still(prefix, frames=3)))
    (engine.base / "output" / first["subfolder"] / first["filename"]).unlink()
    assert saved(await engine.run(still(prefix, frames=4))) == first


async def test_an_id_that_is_sent_twice_runs_twice(engine: Engine) -> None:
    prefix, prompt_id = unique(), str(uuid.uuid4())
    for frames in (3, 4):
        await engine.submit(still(prefix, frames=frames), prompt_id=prompt_id)
    last = await engine.submit(still())
    await engine.until_finished(last["prompt_id"])
    assert len(list((engine.base / "output" / prefix).parent.glob("clip_*.mp4"))) == 2
    assert saved((await engine.get(f"/history/{prompt_id}"))[prompt_id])["filename"] == "clip_00002_.mp4"


async def test_closing_the_older_of_two_sockets_with_one_id_silences_the_newer(engine: Engine) -> None:
    async with aiohttp.ClientSession() as session:
        old = await session.ws_connect(f"{engine.url}/ws?clientId=twice")
        async with session.ws_connect(f"{engine.url}/ws?clientId=twice") as new:
            await new.receive_json(timeout=WITHIN_S)
            await old.close()
            await engine.run(still(), client_id="twice")
            with pytest.raises(TimeoutError):
                await new.receive_json(timeout=SILENT_S)


@contextlib.contextmanager
def deaf_listener(url: str, client_id: str) -> Iterator[None]:
    """A connected socket that never reads."""
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(WITHIN_S)
        connection.connect((host, int(port)))
        connection.sendall(
            f"GET /ws?clientId={client_id} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        assert connection.recv(16).startswith(b"HTTP/1.1 101")
        yield


def talkative(nodes: int) -> Graph:
    """Every message about its progress lists all nodes so far: megabytes in all."""
    graph = still()
    source = "3"
    for number in range(1000, 1000 + nodes):
        graph[str(number)] = {"class_type": "RepeatImageBatch", "inputs": {"image": [source, 0], "amount": 1}}
        source = str(number)
    graph["4"]["inputs"]["images"] = [source, 0]
    return graph


async def test_a_listener_that_stops_reading_silences_all_and_nothing_else(engine: Engine) -> None:
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{engine.url}/ws?clientId=keen") as keen:
        with deaf_listener(engine.url, "deaf"):
            await engine.run(talkative(250), client_id="deaf")
            with contextlib.suppress(TimeoutError):
                while True:
                    await keen.receive_json(timeout=SILENT_S)
            own = (await engine.submit(still(), client_id="keen"))["prompt_id"]
            assert (await engine.until_finished(own))["status"]["completed"]
            with contextlib.suppress(TimeoutError):
                while True:
                    late = await keen.receive_json(timeout=SILENT_S)
                    assert late["data"].get("prompt_id") != own
        while (await keen.receive_json(timeout=WITHIN_S))["type"] != "execution_success":
            pass


def slow() -> Graph:
    """Seconds of work in many nodes."""
    graph = still(frames=8)
    graph["2"]["inputs"] |= {"width": 512, "height": 512}
    source = "3"
    for number in range(100, 130):
        inputs = {"image": [source, 0], "blur_radius": 31, "sigma": 5.0 + number / 1000}
        source = str(number)
        graph[source] = {"class_type": "ImageBlur", "inputs": inputs}
    graph["4"]["inputs"]["images"] = [source, 0]
    return graph


async def _until_running(engine: Engine, prompt_id: str) -> None:
    deadline = time.monotonic() + WITHIN_S
    while (await engine.queue())[0] != [prompt_id]:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def test_an_interrupt_is_recorded_as_an_error(engine: Engine) -> None:
    with engine.held():
        prompt_id = (await engine.submit(slow()))["prompt_id"]
        await _until_running(engine, prompt_id)
        while not await engine.get(f"/history/{prompt_id}"):
            await engine.post("/interrupt", {"prompt_id": prompt_id})
    status = (await engine.get(f"/history/{prompt_id}"))[prompt_id]["status"]
    assert (status["status_str"], status["messages"][-1][0]) == ("error", "execution_interrupted")


async def test_what_waits_is_listed_in_heap_order_and_run_by_number(engine: Engine) -> None:
    with engine.held():
        running = (await engine.submit(slow()))["prompt_id"]
        await _until_running(engine, running)
        waiting = [(await engine.submit(still()))["prompt_id"] for _ in range(3)]
        first = (await engine.submit(still(), front=True))["prompt_id"]
        found = (await engine.get("/queue"))["queue_pending"]
        assert [item[1] for item in sorted(found, key=lambda item: item[0])] == [first, *waiting]
        await engine.post("/queue", {"delete": waiting[:1]})
        assert set((await engine.queue())[1]) == {first, *waiting[1:]}
    assert await engine.get(f"/history/{waiting[0]}") == {}
    while running in (await engine.queue())[0]:
        await engine.post("/interrupt", {"prompt_id": running})
    ended = [(await engine.until_finished(each))["status"]["messages"][0][1]["timestamp"] for each in waiting[1:]]
    assert all(before <= after for before, after in itertools.pairwise(ended))


async def test_a_node_without_inputs_kills_the_executor_and_only_a_restart_helps_which_loses_everything(
    engine: Engine,
) -> None:
    before = (await engine.run(still()))["prompt"][1]
    graph: Graph = {**still(), "77": {"class_type": "LoadImage"}}
    answer = await engine.submit(graph)
    assert answer["node_errors"] == {}
    poison, after = answer["prompt_id"], (await engine.submit(still()))["prompt_id"]
    await _until_running(engine, poison)
    for body in ({"prompt_id": poison}, {}):
        await engine.post("/interrupt", body)
    await asyncio.sleep(SILENT_S)
    assert await engine.queue() == ([poison], [after])
    assert (await engine.get("/system_stats"))["system"]
    engine.restart()
    assert await engine.queue() == ([], [])
    for prompt_id in (before, poison, after):
        assert await engine.get(f"/history/{prompt_id}") == {}
    answer = await engine.submit(still())
    assert answer["number"] == 0
    await engine.until_finished(answer["prompt_id"])
