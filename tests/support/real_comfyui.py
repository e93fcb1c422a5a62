"""A real ComfyUI as a process of its own, and workflows of its core nodes alone: it needs no model weights.

`RUSHES_TEST_COMFYUI_DIR` is a checkout of it, `RUSHES_TEST_COMFYUI_PYTHON` the interpreter with its requirements.
"""

import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.local import process
from tests.support.infrastructure import free_port
from tests.support.standin import Graph

Json = dict[str, Any]

CHECKOUT_VARIABLE, PYTHON_VARIABLE = "RUSHES_TEST_COMFYUI_DIR", "RUSHES_TEST_COMFYUI_PYTHON"

READY_WITHIN_S = 240.0
"""It imports PyTorch and all of its nodes: half a minute on a quiet machine."""

LOOK_S = 0.05

FRAMES = 6
"""Where a workflow binds the number."""


def missing() -> str | None:
    """Why no real server can be started here, or None."""
    for variable in (CHECKOUT_VARIABLE, PYTHON_VARIABLE):
        path = os.environ.get(variable)
        if not path:
            return f"{variable} is not set, so there is no real ComfyUI to try; README.md says how"
        if not Path(path).exists():
            return f"{variable}={path} does not exist"
    return None


@dataclass
class RealComfyUI:
    """A server on the CPU. `restart` keeps port and folder and loses queue and history."""

    launch: process.Launch
    port: int
    child: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def name(self) -> str:
        """As dispatch calls it."""
        return f"127.0.0.1:{self.port}"

    def ask(self, path: str, body: Any = None) -> Any:
        """GET, or POST of a body; what it answers."""
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(self.url + path, data=data), timeout=30) as answer:
            content = answer.read()
        return json.loads(content) if content else None

    def running(self) -> list[str]:
        """The prompt ids that it works on now: none or one."""
        return [item[1] for item in self.ask("/queue")["queue_running"]]

    def waiting(self) -> list[str]:
        return [item[1] for item in self.ask("/queue")["queue_pending"]]

    def wait_until_running(self, prompt_id: str, *, seconds: float = 60) -> None:
        """Until it works on this prompt; fails when the prompt ends before that was seen."""
        deadline = time.monotonic() + seconds
        while prompt_id not in self.running():
            assert prompt_id not in self.ask(f"/history/{prompt_id}"), f"{prompt_id} ended before it was seen to run"
            assert time.monotonic() < deadline, f"{prompt_id} does not run"
            time.sleep(LOOK_S)

    def verdict(self, prompt_id: str) -> str | None:
        """The last thing that its history says of a prompt."""
        entry = self.ask(f"/history/{prompt_id}").get(prompt_id)
        return None if entry is None else str(entry["status"]["messages"][-1][0])

    def kill(self) -> None:
        """SIGKILL: nothing is saved."""
        process.kill_session(self.child.pid)
        self.child.wait()

    def start_again(self) -> None:
        """After `kill`; returns before it is ready."""
        self.child = process.start(self.launch)

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_WITHIN_S
        while True:
            assert self.child.poll() is None, f"ComfyUI ended with status {self.child.returncode}:\n{self._log()}"
            try:
                self.ask("/system_stats")
                return
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                assert time.monotonic() < deadline, f"ComfyUI did not come up:\n{self._log()}"
                time.sleep(LOOK_S)

    def _log(self) -> str:
        return "\n".join(self.launch.log_file.read_text(errors="replace").splitlines()[-20:])


@contextmanager
def running_comfyui(base: Path) -> Iterator[RealComfyUI]:
    """A server that is starting, with its folders below `base`; gone at the end. `missing()` must be None."""
    for folder in ("custom_nodes", "input", "output", "temp", "models", "user"):
        (base / folder).mkdir(parents=True, exist_ok=True)
    port = free_port()
    launch = process.Launch(
        name="comfyui",
        command=[
            os.environ[PYTHON_VARIABLE], "main.py", "--cpu", "--port", str(port), "--disable-all-custom-nodes",
            "--base-directory", str(base), "--database-url", "sqlite:///:memory:",
        ],
        log_file=base / "comfyui.log",
        directory=Path(os.environ[CHECKOUT_VARIABLE]),
        stop_signal=signal.SIGKILL,
    )  # fmt: skip
    server = RealComfyUI(launch=launch, port=port, child=process.start(launch))
    try:
        yield server
    finally:
        server.kill()


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflow:
    """A graph in API format with its bindings, and what its clips are like."""

    name: str
    graph: Graph
    bindings: Json
    frames: int
    fps: float

    def node_classes(self) -> set[str]:
        return {node["class_type"] for node in self.graph.values()}


def _node(class_type: str, **inputs: Any) -> Json:
    return {"class_type": class_type, "inputs": inputs}


def grain_as_mp4(*, blurs: int = 0, side: int = 192) -> Workflow:
    """The picture under seeded grain. `blurs` makes it slow: about a second each on one core at 256 x 256."""
    graph = {
        "1": _node("LoadImage", image="seed.png"),
        "2": _node("ImageScale", image=["1", 0], upscale_method="area", width=side, height=side, crop="center"),
        "3": _node("RepeatImageBatch", image=["2", 0], amount=8),
        "4": _node("ImageAddNoise", image=["3", 0], seed=1, strength=0.1),
    }
    last = "4"
    for number in range(100, 100 + blurs):
        graph[str(number)] = _node("ImageBlur", image=[last, 0], blur_radius=31, sigma=1.0)
        last = str(number)
    graph["5"] = _node("CreateVideo", images=[last, 0], fps=8.0)
    graph["6"] = _node("SaveVideo", video=["5", 0], filename_prefix="video/ComfyUI", format="mp4", codec="h264")
    bindings = {
        "seed_image": {"node": "1", "input": "image"},
        "seed": {"node": "4", "input": "seed"},
        "video_output": {"node": "6"},
    }
    return Workflow(name="grain", graph=graph, bindings=bindings, frames=8, fps=8.0)


def dissolve_as_webm() -> Workflow:
    """The picture dissolves into a blurred one. Binds nothing but what every workflow must."""
    graph: Graph = {
        "load": _node("LoadImage", image="seed.png"),
        "small": _node("ImageScaleBy", image=["load", 0], upscale_method="bicubic", scale_by=1.0),
        "soft": _node("ImageBlur", image=["small", 0], blur_radius=4, sigma=2.0),
        "between": _node("ImageBlend", image1=["small", 0], image2=["soft", 0], blend_factor=0.5, blend_mode="normal"),
        "begin": _node("ImageBatch", image1=["small", 0], image2=["between", 0]),
        "all": _node("ImageBatch", image1=["begin", 0], image2=["soft", 0]),
        "long": _node("RepeatImageBatch", image=["all", 0], amount=2),
        "save": _node("SaveWEBM", images=["long", 0], filename_prefix="ComfyUI", codec="vp9", fps=6.0, crf=24.0),
    }
    bindings = {"seed_image": {"node": "load", "input": "image"}, "video_output": {"node": "save"}}
    return Workflow(name="dissolve", graph=graph, bindings=bindings, frames=6, fps=6.0)


def flash_as_webp(*, output: str = "15") -> Workflow:
    """The picture, its negative, and the picture sharpened; a still is saved beside it, by node 16."""
    graph: Graph = {
        "10": _node("LoadImage", image="seed.png"),
        "11": _node("ImageInvert", image=["10", 0]),
        "12": _node("ImageSharpen", image=["10", 0], sharpen_radius=1, sigma=1.0, alpha=0.5),
        "13": _node("ImageBatch", image1=["10", 0], image2=["11", 0]),
        "14": _node("ImageBatch", image1=["13", 0], image2=["12", 0]),
        "15": _node(
            "SaveAnimatedWEBP", images=["14", 0], filename_prefix="ComfyUI", fps=4.0, lossless=True, quality=90,
            method="fastest",
        ),
        "16": _node("SaveImage", images=["12", 0], filename_prefix="ComfyUI"),
    }  # fmt: skip
    bindings = {"seed_image": {"node": "10", "input": "image"}, "video_output": {"node": output}}
    return Workflow(name="flash", graph=graph, bindings=bindings, frames=3, fps=4.0)


def still_as_webp() -> Workflow:
    """Nothing moves: the format stores one picture and no time. The number of frames is bound, its rate is not."""
    graph: Graph = {
        "1": _node("LoadImage", image="seed.png"),
        "2": _node("RepeatImageBatch", image=["1", 0], amount=1),
        "3": _node("PrimitiveFloat", value=10.0),
        "4": _node(
            "SaveAnimatedWEBP", images=["2", 0], filename_prefix="ComfyUI", fps=["3", 0], lossless=False, quality=80,
            method="default",
        ),
    }  # fmt: skip
    bindings = {
        "seed_image": {"node": "1", "input": "image"},
        "frames": {"node": "2", "input": "amount"},
        "video_output": {"node": "4"},
    }
    return Workflow(name="still", graph=graph, bindings=bindings, frames=FRAMES, fps=10.0)


def grouped_as_webm() -> Workflow:
    """As people's graphs look: groups and titles, values held by nodes of their own, previews, inputs that grow."""
    graph: Graph = {
        "7:1": {**_node("LoadImage", image="seed.png"), "_meta": {"title": "The person: start"}},
        "7:2": _node(
            "ResizeImageMaskNode",
            **{
                "input": ["7:1", 0], "scale_method": "area", "resize_type": "scale dimensions",
                "resize_type.width": 256, "resize_type.height": 192, "resize_type.crop": "center",
            },
        ),
        "8": _node("PrimitiveInt", value=3),
        "9": _node("PrimitiveFloat", value=6.0),
        "10": _node("PrimitiveStringMultiline", value="at dusk"),
        "11": _node("PreviewAny", source=["10", 0]),
        "12": _node("ImageAddNoise", image=["7:2", 0], seed=["8", 0], strength=0.05),
        "13": _node("BatchImagesNode", **{"images.image0": ["7:2", 0], "images.image1": ["12", 0]}),
        "14": _node("RepeatImageBatch", image=["13", 0], amount=2),
        "15": _node("ImageFromBatch", image=["14", 0], batch_index=0, length=FRAMES),
        "16": _node("PreviewImage", images=["12", 0]),
        "save/it": _node("SaveWEBM", images=["15", 0], filename_prefix="a/b", codec="av1", fps=["9", 0], crf=30.0),
    }  # fmt: skip
    bindings = {
        "seed_image": {"node": "7:1", "input": "image"},
        "seed": {"node": "8", "input": "value"},
        "prompt": {"node": "10", "input": "value"},
        "fps": {"node": "9", "input": "value"},
        "width": {"node": "7:2", "input": "resize_type.width"},
        "height": {"node": "7:2", "input": "resize_type.height"},
        "video_output": {"node": "save/it"},
    }
    return Workflow(name="grouped", graph=graph, bindings=bindings, frames=4, fps=6.0)


def worded_as_mp4() -> Workflow:
    """Numbers written as texts, a height that its node works out, a name held by another node, a second clip beside."""
    graph: Graph = {
        "12:3": _node("LoadImage", image="seed.png"),
        "12:4": _node("ImageScale", image=["12:3", 0], upscale_method="area", width="128", height=0, crop="disabled"),
        "12:5": _node("ImageAddNoise", image=["12:4", 0], seed="5", strength="0.05"),
        "12:6": _node("RepeatImageBatch", image=["12:5", 0], amount="4"),
        "12:7": _node("ImageScale", image=["12:6", 0], upscale_method="area", width=96, height=96, crop="center"),
        "12:8": _node("CreateVideo", images=["12:7", 0], fps="10"),
        "12:9": _node("PrimitiveString", value="a/b/c"),
        "12:10": _node("SaveVideo", video=["12:8", 0], filename_prefix=["12:9", 0], format="auto", codec="auto"),
        "12:11": _node("SaveWEBM", images=["12:6", 0], filename_prefix=["12:9", 0], codec="vp9", fps="10", crf="40"),
    }
    bindings = {
        "seed_image": {"node": "12:3", "input": "image"},
        "seed": {"node": "12:5", "input": "seed"},
        "height": {"node": "12:4", "input": "height"},
        "video_output": {"node": "12:10"},
    }
    return Workflow(name="worded", graph=graph, bindings=bindings, frames=4, fps=10.0)


WORKFLOWS: Mapping[str, Workflow] = {
    one.name: one
    for one in (
        grain_as_mp4(),
        dissolve_as_webm(),
        flash_as_webp(),
        still_as_webp(),
        grouped_as_webm(),
        worded_as_mp4(),
    )
}
