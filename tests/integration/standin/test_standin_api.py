"""The stand-in as a process: it behaves as the measured reference of the real server says.

Where it can be held against a real server it is, in test_comfyui_oddities.py.
"""

import asyncio
import hashlib
import io
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import av
import numpy as np
import pytest
from PIL import Image
from skimage import data

from deploy.comfyui_standin.lora_files import write_lora_from_parameters
from tests.support.standin import (
    HELD_SECONDS,
    StandInProcess,
    image_to_video_graph,
    running_standin,
    still_graph,
)

WITHIN_S = 60.0
ASTRONAUT: Any = data.astronaut()  # type: ignore[no-untyped-call]


@pytest.fixture(scope="module")
def shared_standin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandInProcess]:
    base = tmp_path_factory.mktemp("standin")
    write_lora_from_parameters(base / "models/loras/look.safetensors", {"colour": {"warmth": 0.05}})
    with running_standin(base) as standin:
        yield standin


@pytest.fixture
def standin(shared_standin: StandInProcess) -> Iterator[StandInProcess]:
    shared_standin.request("DELETE", "/standin/faults")
    shared_standin.faults(reset=True)
    yield shared_standin
    shared_standin.request("DELETE", "/standin/faults")


def png(side: int = 64, shade: int = 0) -> bytes:
    target = io.BytesIO()
    picture = np.asarray(ASTRONAUT, np.uint8)[: 2 * side, : 2 * side] // (1 + shade)
    Image.fromarray(picture).resize((side, side)).save(target, "png")
    return target.getvalue()


async def upload(standin: StandInProcess, name: str, content: bytes, **fields: str) -> tuple[int, Any]:
    form = aiohttp.FormData(quote_fields=False)
    form.add_field("image", content, filename=name)
    for key, value in fields.items():
        form.add_field(key, value)
    async with aiohttp.ClientSession() as session, session.post(f"{standin.url}/upload/image", data=form) as answer:
        return answer.status, await answer.json() if answer.status == 200 else None


def submit(standin: StandInProcess, graph: Any, **more: Any) -> tuple[int, Any]:
    """Somebody's: what is cached shows in the history only for prompts with a client id."""
    return standin.request("POST", "/prompt", {"prompt": graph, "client_id": "somebody", **more})


def until_finished(standin: StandInProcess, prompt_id: str) -> Any:
    deadline = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline:
        _, answer = standin.request("GET", f"/history/{prompt_id}")
        if answer:
            return answer[prompt_id]
        time.sleep(0.02)
    raise AssertionError(f"{prompt_id} did not finish")


def until_running(standin: StandInProcess, prompt_id: str) -> None:
    """The worker takes what was sent a moment later."""
    deadline = time.monotonic() + WITHIN_S
    while [item[1] for item in standin.request("GET", "/queue")[1]["queue_running"]] != [prompt_id]:
        assert time.monotonic() < deadline, f"{prompt_id} did not begin"
        time.sleep(0.02)


def run(standin: StandInProcess, graph: Any, **more: Any) -> Any:
    status, answer = submit(standin, graph, **more)
    assert status == 200, answer
    assert answer["node_errors"] == {}
    return until_finished(standin, answer["prompt_id"])


def fetch(standin: StandInProcess, saved: dict[str, str]) -> bytes:
    query = "&".join(f"{name}={value}" for name, value in saved.items())
    with urllib.request.urlopen(f"{standin.url}/view?{query}") as answer:
        return bytes(answer.read())


def frames_of(content: bytes) -> list[bytes]:
    with av.open(io.BytesIO(content), "r") as container:
        return [frame.to_ndarray(format="rgb24").tobytes() for frame in container.decode(video=0)]


def unique() -> str:
    return f"t/{uuid.uuid4().hex}/clip"


async def seed(standin: StandInProcess) -> str:
    content = png()
    _, answer = await upload(standin, f"{hashlib.sha256(content).hexdigest()}.png", content)
    return str(answer["name"])


async def test_an_image_to_video_graph_gives_a_clip_and_its_last_frame(standin: StandInProcess) -> None:
    entry = run(standin, image_to_video_graph(image=await seed(standin), lora="look.safetensors", prefix=unique()))
    assert entry["status"]["status_str"] == "success"
    assert entry["outputs"]["20"]["animated"] == [True]
    clip = fetch(standin, entry["outputs"]["20"]["images"][0])
    with av.open(io.BytesIO(clip), "r") as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt) == ("h264", "yuv420p")
        assert (stream.width, stream.height, float(stream.average_rate or 0)) == (64, 64, 12.0)
    assert len(frames_of(clip)) == 5
    last = Image.open(io.BytesIO(fetch(standin, entry["outputs"]["21"]["images"][0])))
    assert last.size == (64, 64)


async def test_a_graph_without_sampler_renders_too(standin: StandInProcess) -> None:
    entry = run(standin, still_graph(image=await seed(standin), prefix=unique()))
    assert len(frames_of(fetch(standin, entry["outputs"]["20"]["images"][0]))) == 3


async def test_equal_graphs_decode_to_equal_frames_also_after_a_restart(tmp_path: Path) -> None:
    with running_standin(tmp_path) as standin:
        image = await seed(standin)
        clips = []
        for _ in range(2):
            entry = run(standin, image_to_video_graph(image=image, prefix=unique()))
            clips.append(frames_of(fetch(standin, entry["outputs"]["20"]["images"][0])))
            standin.restart()
        assert clips[0] == clips[1]


async def test_the_last_frame_can_be_the_next_start_without_a_transfer(standin: StandInProcess) -> None:
    entry = run(standin, image_to_video_graph(image=await seed(standin), prefix=unique()))
    saved = entry["outputs"]["21"]["images"][0]
    chained = run(standin, still_graph(image=f"{saved['subfolder']}/{saved['filename']} [output]", prefix=unique()))
    assert chained["status"]["status_str"] == "success"


async def test_uploads_keep_their_name_for_equal_bytes_and_get_a_number_for_others(standin: StandInProcess) -> None:
    name = f"{uuid.uuid4().hex}.png"
    assert await upload(standin, name, png()) == (200, {"name": name, "subfolder": "", "type": "input"})
    assert (await upload(standin, name, png()))[1]["name"] == name
    renamed = name.replace(".png", " (1).png")
    assert (await upload(standin, name, png(shade=1)))[1]["name"] == renamed
    assert (await upload(standin, name, png(shade=1)))[1]["name"] == renamed


async def test_an_upload_cannot_leave_its_folder(standin: StandInProcess) -> None:
    assert (await upload(standin, "x.png", png(), subfolder="../.."))[0] == 400
    assert (await upload(standin, "../x.png", png()))[0] == 400
    assert (await upload(standin, "x.png", png(), type="models"))[0] == 500


def test_a_missing_image_is_named_with_its_node(standin: StandInProcess) -> None:
    status, answer = submit(standin, still_graph(image="missing.png"))
    assert status == 400
    assert answer["error"]["type"] == "prompt_outputs_failed_validation"
    problem = answer["node_errors"]["1"]
    assert problem["class_type"] == "LoadImage"
    assert problem["dependent_outputs"] == ["20"]
    assert problem["errors"][0]["type"] == "custom_validation_failed"
    assert problem["errors"][0]["details"] == "image - Invalid image file: missing.png"


async def _broken(standin: StandInProcess, node: str, name: str, value: Any) -> tuple[int, Any]:
    graph = image_to_video_graph(image=await seed(standin), lora="look.safetensors")
    if value is None:
        del graph[node]["inputs"][name]
    else:
        graph[node]["inputs"][name] = value
    return submit(standin, graph)


@pytest.mark.parametrize(
    ("node", "name", "value", "kind"),
    [
        ("3", "lora_name", "nowhere.safetensors", "value_not_in_list"),
        ("7", "sampler_name", "nope", "value_not_in_list"),
        ("7", "steps", 0, "value_smaller_than_min"),
        ("7", "denoise", 1.5, "value_bigger_than_max"),
        ("7", "steps", "many", "invalid_input_type"),
        ("7", "seed", None, "required_input_missing"),
        ("7", "model", ["1", 0], "return_type_mismatch"),
        ("7", "model", ["1", 0, 0], "bad_linked_input"),
        ("8", "samples", ["99", 0], "exception_during_inner_validation"),
    ],
)
async def test_validation_names_the_fault(standin: StandInProcess, node: str, name: str, value: Any, kind: str) -> None:
    status, answer = await _broken(standin, node, name, value)
    assert status == 400
    assert answer["node_errors"][node]["errors"][0]["type"] == kind


def test_graphs_that_are_none_are_refused_as_the_real_server_does(standin: StandInProcess) -> None:
    assert standin.request("POST", "/prompt", {})[1]["error"]["type"] == "no_prompt"
    assert submit(standin, {"1": {"inputs": {}}})[1]["error"]["type"] == "invalid_prompt"
    unknown = submit(standin, {"1": {"class_type": "NoSuchNode", "inputs": {}}})
    assert unknown[1]["error"]["message"] == "Cannot execute because node NoSuchNode does not exist."
    nothing = submit(standin, {"1": {"class_type": "PrimitiveInt", "inputs": {"value": 1}}})
    assert (nothing[0], nothing[1]["error"]["type"]) == (400, "prompt_no_outputs")
    assert submit(standin, None)[0] == 500
    assert submit(standin, [])[0] == 500


async def test_a_picture_changed_under_its_name_is_noticed(standin: StandInProcess) -> None:
    name = f"{uuid.uuid4().hex}.png"
    graph = still_graph(image=name, prefix=unique())
    await upload(standin, name, png())
    first = run(standin, graph)
    await upload(standin, name, png(shade=1), overwrite="true")
    assert run(standin, graph)["outputs"] != first["outputs"]


async def test_view_serves_ranges_and_refuses_paths(standin: StandInProcess) -> None:
    entry = run(standin, still_graph(image=await seed(standin), prefix=unique()))
    saved = entry["outputs"]["20"]["images"][0]
    whole = fetch(standin, saved)
    async with aiohttp.ClientSession() as session:
        url = f"{standin.url}/api/view"
        async with session.get(url, params=saved, headers={"Range": "bytes=0-9"}) as answer:
            assert (answer.status, await answer.read()) == (206, whole[:10])
            assert answer.headers["Content-Range"] == f"bytes 0-9/{len(whole)}"
        async with session.get(url, params=saved, headers={"Range": f"bytes={len(whole)}-"}) as answer:
            assert answer.status == 416
        async with session.get(url, params=saved) as answer:
            assert answer.headers["Content-Type"] == "video/mp4"
            tag = answer.headers["Etag"]
        async with session.get(url, params=saved, headers={"If-None-Match": tag}) as answer:
            assert answer.status == 304
        async with session.get(url, params={**saved, "filename": "none.mp4"}) as answer:
            assert answer.status == 404
        async with session.get(url, params={**saved, "filename": "../x"}) as answer:
            assert answer.status == 400
        async with session.get(url, params={**saved, "subfolder": "../.."}) as answer:
            assert answer.status == 403


async def test_the_messages_of_a_run_come_in_the_real_order(standin: StandInProcess) -> None:
    graph = image_to_video_graph(image=await seed(standin), prefix=unique())
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{standin.url}/ws?clientId=one") as socket:
        first = await socket.receive_json(timeout=WITHIN_S)
        assert (first["type"], first["data"]["sid"]) == ("status", "one")
        _, answer = submit(standin, graph, client_id="one")
        told: list[tuple[str, Any]] = []
        while not told or told[-1] != ("executing", None):
            message = await socket.receive_json(timeout=WITHIN_S)
            told.append((message["type"], message["data"].get("node")))
    kinds = [kind for kind, _ in told if kind not in ("status", "progress_state")]
    assert kinds[:2] == ["execution_start", "execution_cached"]
    assert kinds[-2:] == ["execution_success", "executing"]
    assert {"progress", "executed"} <= set(kinds)
    assert standin.request("GET", f"/history/{answer['prompt_id']}")[1] != {}


async def test_success_is_said_before_the_history_knows(standin: StandInProcess) -> None:
    standin.faults(history_delay_s=HELD_SECONDS)
    graph = still_graph(image=await seed(standin), prefix=unique())
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{standin.url}/ws?clientId=race") as socket:
        _, answer = submit(standin, graph, client_id="race")
        while (await socket.receive_json(timeout=WITHIN_S))["type"] != "execution_success":
            pass
    assert standin.request("GET", f"/history/{answer['prompt_id']}")[1] == {}
    standin.faults(history_delay_s=0)
    assert until_finished(standin, answer["prompt_id"])["status"]["completed"]


async def test_a_waiting_prompt_can_be_taken_out_and_a_running_one_interrupted(standin: StandInProcess) -> None:
    standin.faults(extra_seconds=HELD_SECONDS)
    image = await seed(standin)
    for prompt_id in ("running", "waiting"):
        submit(standin, still_graph(image=image, prefix=unique()), prompt_id=prompt_id)
    until_running(standin, "running")
    standin.request("POST", "/queue", {"delete": ["waiting"]})
    assert "waiting" not in {prompt[1] for prompt in standin.request("GET", "/queue")[1]["queue_pending"]}
    standin.request("POST", "/interrupt", {"prompt_id": "waiting"})
    await asyncio.sleep(0.2)
    assert standin.request("GET", "/history/running")[1] == {}
    while not standin.request("GET", "/history/running")[1]:
        standin.request("POST", "/interrupt", {"prompt_id": "running"})
    entry = until_finished(standin, "running")
    assert entry["status"]["status_str"] == "error"
    assert entry["status"]["messages"][-1][0] == "execution_interrupted"
    assert standin.request("GET", "/history/waiting")[1] == {}


async def test_garbage_for_an_image_fails_when_it_runs(standin: StandInProcess) -> None:
    _, answer = await upload(standin, f"{uuid.uuid4().hex}.png", b"no picture")
    entry = run(standin, still_graph(image=answer["name"]))
    kind, told = entry["status"]["messages"][-1]
    assert (entry["status"]["status_str"], kind) == ("error", "execution_error")
    assert (told["node_id"], told["exception_type"]) == ("1", "PIL.UnidentifiedImageError")


async def test_a_clip_too_large_for_memory_fails_and_the_server_lives_on(standin: StandInProcess) -> None:
    graph = image_to_video_graph(image=await seed(standin), side=8192, frames=1000)
    kind, told = run(standin, graph)["status"]["messages"][-1]
    assert (kind, told["exception_type"]) == ("execution_error", "MemoryError")
    assert run(standin, still_graph(image=await seed(standin), prefix=unique()))["status"]["completed"]


def test_object_info_lists_classes_choices_and_installed_files(standin: StandInProcess) -> None:
    _, info = standin.request("GET", "/api/object_info")
    assert info["LoraLoaderModelOnly"]["input"]["required"]["lora_name"][0] == ["look.safetensors"]
    assert info["SaveVideo"]["output_node"] is True
    assert standin.request("GET", "/object_info/NoSuchNode")[1] == {}
    assert standin.request("GET", "/models/loras")[1] == ["look.safetensors"]


def test_system_stats_say_that_it_is_a_stand_in(standin: StandInProcess) -> None:
    _, stats = standin.request("GET", "/system_stats")
    assert "standin" in stats["system"]["comfyui_version"]
    assert stats["devices"][0]["type"] == "cpu"


@pytest.mark.parametrize(
    ("kind", "reported"), [("out_of_memory", "torch.OutOfMemoryError"), ("bad_value", "ValueError")]
)
async def test_a_node_fails_on_demand_and_only_as_often_as_asked(
    standin: StandInProcess, kind: str, reported: str
) -> None:
    standin.faults(fail_next_prompts=1, fail_class="SaveVideo", fail_kind=kind)
    image = await seed(standin)
    entry = run(standin, still_graph(image=image, prefix=unique()))
    assert entry["status"]["messages"][-1][1]["exception_type"] == reported
    assert run(standin, still_graph(image=image, prefix=unique()))["status"]["status_str"] == "success"


async def test_a_render_does_not_end_before_its_constant_time(standin: StandInProcess) -> None:
    standin.faults(constant_render_s=0.8)
    entry = run(standin, image_to_video_graph(image=await seed(standin), prefix=unique()))
    times = [told["timestamp"] for _, told in entry["status"]["messages"]]
    assert (times[-1] - times[0]) / 1000 >= 0.75


async def test_a_reset_forgets_queue_history_and_the_running_prompt(standin: StandInProcess) -> None:
    image = await seed(standin)
    done = run(standin, still_graph(image=image, prefix=unique()), prompt_id="done")
    assert done["status"]["completed"]
    standin.faults(extra_seconds=HELD_SECONDS)
    for prompt_id in ("running", "waiting"):
        submit(standin, still_graph(image=image, prefix=unique()), prompt_id=prompt_id)
    until_running(standin, "running")
    standin.faults(reset=True, extra_seconds=0)
    for prompt_id in ("done", "running", "waiting"):
        assert standin.request("GET", f"/history/{prompt_id}")[1] == {}
    assert standin.request("GET", "/queue")[1] == {"queue_running": [], "queue_pending": []}
    again = run(standin, still_graph(image=image, prefix=unique()), prompt_id="running")
    assert again["status"]["status_str"] == "success"


async def test_sockets_drop_on_demand(standin: StandInProcess) -> None:
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{standin.url}/ws") as socket:
        await socket.receive_json(timeout=WITHIN_S)
        standin.faults(drop_sockets=True)
        message = await socket.receive(timeout=WITHIN_S)
        assert message.type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR, aiohttp.WSMsgType.CLOSE)
        assert socket.close_code == 1006


async def test_a_lost_reply_means_that_the_prompt_was_queued_all_the_same(standin: StandInProcess) -> None:
    standin.faults(lose_next_replies=1)
    graph = still_graph(image=await seed(standin), prefix=unique())
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientError):
            await session.post(f"{standin.url}/prompt", json={"prompt": graph, "prompt_id": "lost-reply"})
    assert until_finished(standin, "lost-reply")["status"]["completed"]


def test_an_unknown_fault_is_refused_and_nothing_is_changed(standin: StandInProcess) -> None:
    status, answer = standin.request("POST", "/standin/faults", {"extra_seconds": 3, "earthquake": True})
    assert status == 400
    assert "earthquake" in answer["error"]
    assert standin.request("GET", "/standin/faults")[1]["extra_seconds"] == 0.0


def test_exit_on_demand_ends_the_process_and_a_restart_has_an_empty_queue(tmp_path: Path) -> None:
    with running_standin(tmp_path) as standin:
        standin.faults(exit=True)
        assert standin.process.wait(30) == 70
        standin.restart()
        assert standin.request("GET", "/history")[1] == {}


def test_a_port_in_use_is_one_clear_line(standin: StandInProcess, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "deploy.comfyui_standin", "--port", str(standin.port)]
    command += ["--base-directory", str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=Path(__file__).parents[3])
    assert ended.returncode == 1
    assert "can't listen on" in ended.stderr
    assert "Traceback" not in ended.stderr
