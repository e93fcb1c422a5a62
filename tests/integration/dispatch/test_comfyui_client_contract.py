"""What dispatch relies on in a ComfyUI server and in our client: one suite for the stand-in and for a real server.

The real server is tried when RUSHES_TEST_COMFYUI_URL names one, or one can be started (tests/support/real_comfyui.py).
It needs no model weights: every graph of the common part is LoadImage, scaling, blurring and SaveVideo. What a real
server can't be asked for (faults) is tried on the stand-in only. docs/comfyui.md says which oddity is met where.
"""

import asyncio
import hashlib
import io
import os
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import av
import numpy as np
import pytest
from aiohttp import web
from PIL import Image

from services.dispatch.adapters.comfyui import ComfyUIServer
from services.dispatch.adapters.render_server import (
    Absent,
    Finished,
    Location,
    OutputFile,
    PermanentRenderError,
    Progress,
    Queued,
    RenderInterrupted,
    RenderLost,
    RenderResult,
    RenderServer,
    Running,
    ServerStuck,
    ServerUnreachable,
    SubmissionUnknown,
    TransientRenderError,
)
from tests.support.real_comfyui import missing, running_comfyui
from tests.support.standin import HELD_SECONDS, Graph, StandInProcess, running_standin, still_graph

REAL_URL = os.environ.get("RUSHES_TEST_COMFYUI_URL")
WITHIN_S = 120.0
PICTURE_SIDE = 96


def picture() -> bytes:
    rows, columns = np.mgrid[0:PICTURE_SIDE, 0:PICTURE_SIDE]
    pixels = np.stack([rows * 2, columns * 2, (rows * columns) % 255], axis=-1).astype(np.uint8)
    target = io.BytesIO()
    Image.fromarray(pixels).save(target, "png")
    return target.getvalue()


@pytest.fixture(scope="module")
def shared_standin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandInProcess]:
    with running_standin(tmp_path_factory.mktemp("comfyui")) as process:
        yield process


@pytest.fixture
def standin(shared_standin: StandInProcess) -> Iterator[StandInProcess]:
    """The stand-in without faults, empty, and left that way."""
    shared_standin.request("DELETE", "/standin/faults")
    shared_standin.faults(reset=True)
    yield shared_standin
    if shared_standin.process.poll() is not None:
        shared_standin.restart()
    shared_standin.request("DELETE", "/standin/faults")


@pytest.fixture
async def client(standin: StandInProcess) -> AsyncIterator[ComfyUIServer]:
    server = ComfyUIServer(name="standin", url=standin.url, request_timeout_s=20.0)
    yield server
    await server.close()


@pytest.fixture(scope="module")
def real_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if REAL_URL:
        yield REAL_URL
        return
    if reason := missing():
        pytest.skip(f"RUSHES_TEST_COMFYUI_URL names no real ComfyUI server, and {reason}")
    with running_comfyui(tmp_path_factory.mktemp("real")) as real:
        real.wait_until_ready()
        yield real.url


@pytest.fixture(params=["standin", "real"])
async def server(request: pytest.FixtureRequest) -> AsyncIterator[RenderServer]:
    url = request.getfixturevalue("standin").url if request.param == "standin" else request.getfixturevalue("real_url")
    client: RenderServer = ComfyUIServer(name=request.param, url=url, request_timeout_s=30.0)
    yield client
    await client.close()


async def uploaded(server: RenderServer) -> str:
    content = picture()
    return await server.upload_image(sha256=hashlib.sha256(content).hexdigest(), content=content)


def new_id() -> str:
    return str(uuid.uuid4())


def prefix() -> str:
    return f"rushes-test/{new_id()}/clip"


async def plain_graph(server: RenderServer) -> Graph:
    return still_graph(image=await uploaded(server), prefix=prefix())


async def slow_graph(server: RenderServer) -> Graph:
    """Some seconds of work in many nodes, so that an interrupt has borders to act at."""
    graph = still_graph(image=await uploaded(server), prefix=prefix(), frames=8)
    graph["2"]["inputs"] |= {"width": 768, "height": 768}
    source = "3"
    for number in range(100, 130):
        inputs = {"image": [source, 0], "blur_radius": 31, "sigma": 5.0 + number / 1000}
        source = str(number)
        graph[source] = {"class_type": "ImageBlur", "inputs": inputs}
    graph["4"]["inputs"]["images"] = [source, 0]
    return graph


async def until(server: RenderServer, prompt_id: str, *kinds: type[Location]) -> Location:
    deadline = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline:
        where = await server.locate(prompt_id)
        if isinstance(where, kinds):
            return where
        await asyncio.sleep(0.02)
    raise AssertionError(f"{prompt_id} did not become {kinds}")


async def finished(server: RenderServer, prompt_id: str) -> Finished:
    where = await until(server, prompt_id, Finished)
    assert isinstance(where, Finished)
    return where


async def rendered(server: RenderServer, graph: Graph, prompt_id: str | None = None) -> RenderResult:
    prompt_id = prompt_id or new_id()
    await server.submit(prompt_id=prompt_id, graph=graph)
    return server.result(await finished(server, prompt_id), ["20"])


async def test_a_server_tells_its_environment_and_its_node_classes(server: RenderServer) -> None:
    stats, classes = await server.stats(), await server.object_info()
    assert stats.engine.startswith("ComfyUI ")
    assert stats.python
    assert {"LoadImage", "CreateVideo", "SaveVideo"} <= set(classes)


async def test_a_graph_becomes_a_clip_that_decodes(server: RenderServer, tmp_path: Path) -> None:
    result = await rendered(server, await plain_graph(server))
    assert result.seconds is not None
    assert result.seconds >= 0
    target = tmp_path / "clip.mp4"
    assert await server.download(result.files["20"][0], target, max_bytes=10_000_000) == target.stat().st_size
    with av.open(str(target), "r") as container:
        assert len(list(container.decode(video=0))) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]


async def test_the_same_picture_uploaded_twice_is_one_file(server: RenderServer) -> None:
    assert await uploaded(server) == await uploaded(server)


async def test_an_id_submitted_twice_is_rendered_once(server: RenderServer) -> None:
    graph, prompt_id = await plain_graph(server), new_id()
    for _ in range(2):
        await server.submit(prompt_id=prompt_id, graph=graph)
    first = server.result(await finished(server, prompt_id), ["20"])
    await server.submit(prompt_id=prompt_id, graph=graph)
    queue = await server.queue()
    assert prompt_id not in (*queue.running, *queue.pending)
    assert server.result(await finished(server, prompt_id), ["20"]) == first
    assert first.files["20"][0].filename == "clip_00001_.mp4"


async def test_a_prompt_is_never_out_of_sight_between_submission_and_end(server: RenderServer) -> None:
    for _ in range(5):
        prompt_id = new_id()
        await server.submit(prompt_id=prompt_id, graph=await plain_graph(server))
        while not isinstance(where := await server.locate(prompt_id), Finished):
            assert isinstance(where, Queued | Running)


async def test_equal_work_under_another_prefix_names_its_own_file(server: RenderServer) -> None:
    image = await uploaded(server)
    one = await rendered(server, still_graph(image=image, prefix=prefix()))
    other = await rendered(server, still_graph(image=image, prefix=prefix()))
    assert one.files["20"][0].subfolder != other.files["20"][0].subfolder


async def test_what_is_taken_from_a_cache_still_names_its_file(server: RenderServer) -> None:
    """Also while nobody listens: an output node whose file name we cannot set may be cached."""
    graph = await plain_graph(server)
    first, second = await rendered(server, graph), await rendered(server, graph)
    assert second.files["20"] == first.files["20"]


async def test_a_graph_that_cannot_run_is_refused_with_node_and_reason(server: RenderServer) -> None:
    prompt_id = new_id()
    with pytest.raises(PermanentRenderError) as refusal:
        await server.submit(prompt_id=prompt_id, graph=still_graph(image="no-such-picture.png", prefix=prefix()))
    assert (refusal.value.kind, refusal.value.node) == ("invalid_graph", "1 (LoadImage)")
    assert "no-such-picture.png" in refusal.value.message
    assert await server.locate(prompt_id) == Absent()


async def test_a_node_without_inputs_is_never_sent(server: RenderServer) -> None:
    """It would kill the server's executor, beside a graph that is sound."""
    prompt_id, graph = new_id(), await plain_graph(server)
    graph["77"] = {"class_type": "LoadImage"}
    with pytest.raises(PermanentRenderError) as refusal:
        await server.submit(prompt_id=prompt_id, graph=graph)
    assert (refusal.value.kind, refusal.value.node) == ("invalid_graph", "77")
    assert await server.locate(prompt_id) == Absent()
    assert (await rendered(server, await plain_graph(server))).files["20"]


async def test_an_unknown_node_class_is_refused_by_name(server: RenderServer) -> None:
    graph = {**await plain_graph(server), "50": {"class_type": "NoSuchNode", "inputs": {}}}
    with pytest.raises(PermanentRenderError, match="NoSuchNode"):
        await server.submit(prompt_id=new_id(), graph=graph)


async def test_a_200_that_leaves_a_node_out_is_a_refusal_and_nothing_goes_on_rendering(server: RenderServer) -> None:
    graph, prompt_id = await plain_graph(server), new_id()
    graph["30"] = {"class_type": "LoadImage", "inputs": {"image": "no-such-picture.png"}}
    graph["31"] = {"class_type": "SaveImage", "inputs": {"images": ["30", 0], "filename_prefix": prefix()}}
    with pytest.raises(PermanentRenderError) as refusal:
        await server.submit(prompt_id=prompt_id, graph=graph)
    assert refusal.value.node == "30 (LoadImage)"
    assert isinstance(await server.locate(prompt_id), Absent | Finished)


async def test_an_output_that_was_dropped_without_a_word_is_a_failure(server: RenderServer) -> None:
    graph, prompt_id = await plain_graph(server), new_id()
    for node, source in (("40", "41"), ("41", "40")):
        graph[node] = {"class_type": "RepeatImageBatch", "inputs": {"image": [source, 0], "amount": 1}}
    graph["42"] = {"class_type": "SaveImage", "inputs": {"images": ["40", 0], "filename_prefix": prefix()}}
    await server.submit(prompt_id=prompt_id, graph=graph)
    found = await finished(server, prompt_id)
    assert server.result(found, ["20"]).files["20"]
    with pytest.raises(PermanentRenderError, match="saved no file") as failure:
        server.result(found, ["20", "42"])
    assert (failure.value.kind, failure.value.node) == ("bad_output", "42")


async def test_a_picture_that_is_none_fails_for_good_and_names_the_node(server: RenderServer) -> None:
    content = f"no picture {new_id()}".encode()
    name = await server.upload_image(sha256=hashlib.sha256(content).hexdigest(), content=content)
    with pytest.raises(PermanentRenderError, match="UnidentifiedImageError") as failure:
        await rendered(server, still_graph(image=name, prefix=prefix()))
    assert (failure.value.kind, failure.value.node) == ("node_error", "1 (LoadImage)")


async def test_an_id_that_was_never_sent_is_absent_and_cancelling_it_harmless(server: RenderServer) -> None:
    prompt_id = new_id()
    assert await server.locate(prompt_id) == Absent()
    assert await server.cancel(prompt_id) == Absent()


async def test_a_waiting_prompt_is_cancelled_without_touching_the_running_one(server: RenderServer) -> None:
    running, waiting = new_id(), new_id()
    await server.submit(prompt_id=running, graph=await slow_graph(server))
    await until(server, running, Running)
    await server.submit(prompt_id=waiting, graph=await plain_graph(server))
    assert await server.locate(waiting) == Queued(1)
    assert await server.cancel(waiting) == Absent()
    assert isinstance(await server.locate(running), Running)
    await server.cancel(running)


async def test_a_waiting_prompt_is_taken_back_and_a_running_one_is_left_alone(server: RenderServer) -> None:
    running, waiting = new_id(), new_id()
    await server.submit(prompt_id=running, graph=await slow_graph(server))
    await until(server, running, Running)
    await server.submit(prompt_id=waiting, graph=await plain_graph(server), is_new=True)
    assert await server.withdraw(waiting) == Absent()
    assert await server.withdraw(running) == Running()
    await server.cancel(running)


async def test_a_hint_that_a_prompt_has_ended_is_believed_only_when_the_history_has_it(server: RenderServer) -> None:
    running, done, waiting = new_id(), new_id(), new_id()
    await rendered(server, await plain_graph(server), done)
    assert isinstance(await server.locate(done, ended=True), Finished)
    await server.submit(prompt_id=running, graph=await slow_graph(server))
    await until(server, running, Running)
    await server.submit(prompt_id=waiting, graph=await plain_graph(server))
    assert await server.locate(running, ended=True) == Running()
    assert await server.locate(waiting, ended=True) == Queued(1)
    await server.cancel(waiting)
    await server.cancel(running)


async def test_a_running_prompt_is_cancelled_and_says_so(server: RenderServer) -> None:
    prompt_id = new_id()
    await server.submit(prompt_id=prompt_id, graph=await slow_graph(server))
    await until(server, prompt_id, Running)
    found = await server.cancel(prompt_id)
    assert isinstance(found, Finished)
    with pytest.raises(RenderInterrupted) as stopped:
        server.result(found, ["20"])
    assert not stopped.value.permanent


async def test_a_file_that_is_gone_is_a_lost_render(server: RenderServer, tmp_path: Path) -> None:
    missing = OutputFile(filename="never_00001_.mp4", subfolder="", type="output")
    with pytest.raises(RenderLost):
        await server.download(missing, tmp_path / "clip.mp4", max_bytes=1000)
    assert list(tmp_path.iterdir()) == []


async def test_a_file_over_the_limit_is_refused_and_leaves_nothing(server: RenderServer, tmp_path: Path) -> None:
    result = await rendered(server, await plain_graph(server))
    with pytest.raises(PermanentRenderError, match="larger than 100 bytes"):
        await server.download(result.files["20"][0], tmp_path / "clip.mp4", max_bytes=100)
    assert list(tmp_path.iterdir()) == []


async def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline:
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("that did not happen")


class Listener:
    """Collects progress in the background, as dispatch does."""

    def __init__(self, server: RenderServer) -> None:
        self.heard: list[Progress] = []
        self._server = server

    async def _listen(self) -> None:
        async for hint in self._server.progress():
            self.heard.append(hint)

    async def __aenter__(self) -> "Listener":
        self._task = asyncio.create_task(self._listen())
        return self

    async def __aexit__(self, *details: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def until_connected(self, server: ComfyUIServer) -> None:
        """Messages go to a registered socket only."""
        await eventually(lambda: server.listening)

    async def until_ended(self, prompt_id: str) -> None:
        await eventually(lambda: any(hint.ended and hint.prompt_id == prompt_id for hint in self.heard))


async def test_progress_hints_come_and_the_end_is_readable_in_the_history(server: RenderServer) -> None:
    assert isinstance(server, ComfyUIServer)
    async with Listener(server) as listener:
        await listener.until_connected(server)
        prompt_id = new_id()
        await server.submit(prompt_id=prompt_id, graph=await plain_graph(server))
        await listener.until_ended(prompt_id)
        assert isinstance(await server.locate(prompt_id), Finished)
    assert all(0.0 <= hint.fraction <= 1.0 for hint in listener.heard)


async def test_every_node_is_heard_of_when_it_begins_or_as_one_that_need_not_run(server: RenderServer) -> None:
    assert isinstance(server, ComfyUIServer)
    graph, prompts = await plain_graph(server), [new_id(), new_id()]
    async with Listener(server) as listener:
        await listener.until_connected(server)
        for prompt_id in prompts:
            await server.submit(prompt_id=prompt_id, graph=graph)
            await listener.until_ended(prompt_id)
    first, second = ([hint for hint in listener.heard if hint.prompt_id == prompt_id] for prompt_id in prompts)
    assert {hint.node for hint in first if hint.node} | {node for hint in first for node in hint.cached} == set(graph)
    assert {node for hint in second for node in hint.cached} == set(graph)


async def test_two_clients_of_one_server_do_not_silence_each_other(server: RenderServer) -> None:
    assert isinstance(server, ComfyUIServer)
    other = ComfyUIServer(name="other", url=server._url)
    async with Listener(server) as listener:
        await listener.until_connected(server)
        async with Listener(other) as second:
            await second.until_connected(other)
        prompt_id = new_id()
        await server.submit(prompt_id=prompt_id, graph=await plain_graph(server))
        await listener.until_ended(prompt_id)
    await other.close()


async def test_progress_survives_a_lost_socket(standin: StandInProcess, client: ComfyUIServer) -> None:
    async with Listener(client) as listener:
        await listener.until_connected(client)
        standin.faults(drop_sockets=True)
        await eventually(lambda: not client.listening)
        await listener.until_connected(client)
        prompt_id = new_id()
        await client.submit(prompt_id=prompt_id, graph=await plain_graph(client))
        await listener.until_ended(prompt_id)


async def test_a_render_ends_well_though_its_socket_is_lost_midway(
    standin: StandInProcess, client: ComfyUIServer
) -> None:
    standin.faults(drop_sockets_next_prompts=1)
    async with Listener(client) as listener:
        await listener.until_connected(client)
        assert (await rendered(client, await plain_graph(client))).files["20"]


async def test_a_stalled_socket_does_not_hold_up_the_look_up(standin: StandInProcess, client: ComfyUIServer) -> None:
    standin.faults(stall_sockets_s=30)
    async with Listener(client) as listener:
        await listener.until_connected(client)
        prompt_id = new_id()
        await client.submit(prompt_id=prompt_id, graph=await plain_graph(client))
        await finished(client, prompt_id)
        assert not any(hint.prompt_id == prompt_id for hint in listener.heard)


async def test_success_told_before_the_history_knows_is_still_running(
    standin: StandInProcess, client: ComfyUIServer
) -> None:
    standin.faults(history_delay_s=HELD_SECONDS)
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{standin.url}/ws?clientId=eager") as socket:
        prompt_id, graph = new_id(), await plain_graph(client)
        await session.post(
            f"{standin.url}/prompt", json={"prompt": graph, "prompt_id": prompt_id, "client_id": "eager"}
        )
        while (await socket.receive_json(timeout=WITHIN_S))["type"] != "execution_success":
            pass
        assert await client.locate(prompt_id) == Running()
    standin.faults(history_delay_s=0)
    await finished(client, prompt_id)


async def test_a_submission_whose_answer_is_lost_is_found_and_not_sent_again(
    standin: StandInProcess, client: ComfyUIServer
) -> None:
    standin.faults(lose_next_replies=1)
    prompt_id = new_id()
    await client.submit(prompt_id=prompt_id, graph=await plain_graph(client))
    result = client.result(await finished(client, prompt_id), ["20"])
    assert result.files["20"][0].filename == "clip_00001_.mp4"
    assert len(standin.request("GET", "/history")[1]) == 1


async def test_a_submission_that_fails_and_is_not_found_says_that_it_may_still_arrive(
    standin: StandInProcess, client: ComfyUIServer
) -> None:
    standin.faults(refuse_next_prompts=1)
    graph, prompt_id = await plain_graph(client), new_id()
    with pytest.raises(SubmissionUnknown) as unsure:
        await client.submit(prompt_id=prompt_id, graph=graph)
    assert unsure.value.settle_s == 20.0
    assert (await rendered(client, graph, prompt_id)).files["20"]


async def test_a_restart_that_loses_the_queue_shows_as_absent_and_the_same_id_renders_again(
    standin: StandInProcess, client: ComfyUIServer
) -> None:
    graphs = {new_id(): await slow_graph(client), new_id(): await plain_graph(client)}
    for prompt_id, graph in graphs.items():
        await client.submit(prompt_id=prompt_id, graph=graph)
    standin.stop()
    with pytest.raises(ServerUnreachable):
        await client.locate(next(iter(graphs)))
    standin.restart()
    for prompt_id in graphs:
        assert await client.locate(prompt_id) == Absent()
    waiting = list(graphs)[1]
    assert (await rendered(client, graphs[waiting], waiting)).files["20"]


async def test_a_server_that_is_away_is_unreachable_for_every_call(tmp_path: Path) -> None:
    server = ComfyUIServer(name="nowhere", url="http://127.0.0.1:9", request_timeout_s=2.0)
    file = OutputFile(filename="clip.mp4", subfolder="", type="output")
    calls = (
        server.stats(), server.queue(), server.object_info(), server.locate("x"), server.cancel("x"),
        server.upload_image(sha256="0", content=b"x"), server.submit(prompt_id="x", graph={}),
        server.download(file, tmp_path / "clip.mp4", max_bytes=1),
    )  # fmt: skip
    for answer in await asyncio.gather(*calls, return_exceptions=True):
        assert isinstance(answer, ServerUnreachable)
        assert "nowhere" in str(answer)
    await server.close()


async def test_running_out_of_memory_may_be_tried_again_and_a_bad_value_may_not(
    standin: StandInProcess, client: ComfyUIServer
) -> None:
    standin.faults(fail_next_prompts=1, fail_class="SaveVideo", fail_kind="out_of_memory")
    with pytest.raises(TransientRenderError) as failure:
        await rendered(client, await plain_graph(client))
    assert (failure.value.kind, failure.value.node) == ("out_of_memory", "20 (SaveVideo)")
    standin.faults(fail_next_prompts=1, fail_class="SaveVideo", fail_kind="bad_value")
    with pytest.raises(PermanentRenderError, match="ValueError"):
        await rendered(client, await plain_graph(client))


async def test_somebody_elses_interrupt_may_be_tried_again(server: RenderServer) -> None:
    assert isinstance(server, ComfyUIServer)
    prompt_id = new_id()
    await server.submit(prompt_id=prompt_id, graph=await slow_graph(server))
    await until(server, prompt_id, Running)
    async with aiohttp.ClientSession() as somebody:
        while isinstance(where := await server.locate(prompt_id), Running):
            await somebody.post(f"{server._url}/interrupt")
    assert isinstance(where, Finished)
    with pytest.raises(RenderInterrupted) as stopped:
        server.result(where, ["20"])
    assert not stopped.value.permanent


async def test_a_dead_executor_shows_as_a_prompt_that_cannot_be_stopped(standin: StandInProcess) -> None:
    """Killed as it happens to people: by a node without `inputs` beside a graph that is sound."""
    server = ComfyUIServer(name="standin", url=standin.url, cancel_s=0.5)
    prompt_id, graph = new_id(), await plain_graph(server)
    graph["77"] = {"class_type": "LoadImage"}
    standin.request("POST", "/prompt", {"prompt": graph, "prompt_id": prompt_id})
    await until(server, prompt_id, Running)
    with pytest.raises(ServerStuck, match=prompt_id):
        await server.cancel(prompt_id)
    assert (await server.stats()).engine
    await server.close()


PREVIEW_BYTES = 6 * 1024 * 1024
"""A sampler's preview can be larger than the 4 MiB that aiohttp takes by itself."""


class Chatterbox:
    """A server that sends one socket as much as it is told to, as fast as the other side takes it."""

    def __init__(self, say: Callable[[web.WebSocketResponse], Awaitable[None]]) -> None:
        self._say = say
        self.said_all = asyncio.Event()

    async def __aenter__(self) -> str:
        app = web.Application()
        app.router.add_get("/ws", self._talk)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        address: Any = self._runner.addresses[0]
        return f"http://127.0.0.1:{address[1]}"

    async def __aexit__(self, *details: object) -> None:
        await self._runner.cleanup()

    async def _talk(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await self._say(socket)
        self.said_all.set()
        async for _ in socket:
            pass
        return socket


def progress_message(number: int) -> Any:
    return {"type": "progress", "data": {"prompt_id": "one", "node": "7", "value": number, "max": 10_000}}


async def test_a_preview_of_several_megabytes_does_not_cost_the_socket() -> None:
    async def say(socket: web.WebSocketResponse) -> None:
        await socket.send_bytes(b"\x00" * PREVIEW_BYTES)
        await socket.send_json(progress_message(1))

    async with Chatterbox(say) as url:
        server = ComfyUIServer(name="chatterbox", url=url)
        async with Listener(server) as listener:
            await eventually(lambda: bool(listener.heard))
            assert server.listening
        await server.close()


async def test_the_socket_is_read_though_nobody_asks_for_the_news() -> None:
    """Unread, it would hold up the messages of every client of that server."""

    async def say(socket: web.WebSocketResponse) -> None:
        for number in range(200):
            await socket.send_json(progress_message(number) | {"padding": "x" * 100_000})

    box = Chatterbox(say)
    async with box as url:
        server = ComfyUIServer(name="chatterbox", url=url)
        news = server.progress()
        assert isinstance(news, AsyncGenerator)
        assert (await anext(news)).prompt_id == "one"
        await asyncio.wait_for(box.said_all.wait(), WITHIN_S)
        await news.aclose()
        await server.close()


async def test_a_file_cut_off_midway_is_not_taken_for_whole(tmp_path: Path) -> None:
    async def cut_off(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Length": "1000"})
        await answer.prepare(request)
        await answer.write(b"x" * 400)
        assert request.transport is not None
        request.transport.abort()
        return answer

    app = web.Application()
    app.router.add_get("/view", cut_off)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    address: Any = runner.addresses[0]
    server = ComfyUIServer(name="cut", url=f"http://127.0.0.1:{address[1]}")
    with pytest.raises(ServerUnreachable):
        file = OutputFile(filename="clip.mp4", subfolder="", type="output")
        await server.download(file, tmp_path / "clip.mp4", max_bytes=10_000)
    assert list(tmp_path.iterdir()) == []
    await server.close()
    await runner.cleanup()
