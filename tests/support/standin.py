"""Starts the ComfyUI stand-in as a process of its own, and the graphs that tests give it."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.infrastructure import free_port

Graph = dict[str, dict[str, Any]]

READY_WITHIN_S = 180.0
HELD_SECONDS = 3600.0
"""For ever, as tests go."""

CHECKPOINT = "standin-base.safetensors"
"""The checkpoint the stand-in makes for itself in an empty base directory."""


@dataclass
class StandInProcess:
    """A running stand-in. `restart` keeps port and folder and loses queue and history, like the real server's."""

    base_directory: Path
    port: int
    environment: Mapping[str, str]
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def request(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """(status, JSON answer or None); for tests' own blocking calls."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, _json(answer.read())
        except urllib.error.HTTPError as problem:
            return problem.code, _json(problem.read())

    def faults(self, **wanted: Any) -> None:
        """POST /standin/faults."""
        status, answer = self.request("POST", "/standin/faults", wanted)
        assert status == 200, answer

    @contextmanager
    def held(self) -> Iterator[None]:
        """Every render goes on meanwhile, however quick the machine is; then it may end."""
        self.faults(extra_seconds=HELD_SECONDS)
        try:
            yield
        finally:
            if self.process.poll() is None:
                self.faults(extra_seconds=0)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End the process and wait until it is gone."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        self.process.wait(30)

    def restart(self, how: signal.Signals = signal.SIGKILL) -> None:
        """A new process on the same port and folder."""
        self.stop(how)
        self.process = _launch(self.base_directory, self.port, self.environment)
        wait_until_ready(self.url, self.process)


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return None


def _launch(base_directory: Path, port: int, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "deploy.comfyui_standin", "--port", str(port)]
    command += ["--base-directory", str(base_directory)]
    log = (base_directory / "standin.log").open("ab")
    with log:
        return subprocess.Popen(
            command,
            env={**os.environ, **environment},
            stdout=log,
            stderr=log,
            cwd=Path(__file__).parents[2],
        )


def wait_until_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    """Until /system_stats answers; fails when the process ends first."""
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline:
        assert process.poll() is None, f"the stand-in ended with status {process.returncode}"
        try:
            with urllib.request.urlopen(f"{url}/system_stats", timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.05)
    raise AssertionError(f"the stand-in at {url} did not come up within {READY_WITHIN_S} s")


@contextmanager
def running_standin(base_directory: Path, environment: Mapping[str, str] | None = None) -> Iterator[StandInProcess]:
    """A stand-in on a free port, gone at the end."""
    base_directory.mkdir(parents=True, exist_ok=True)
    port = free_port()
    process = _launch(base_directory, port, environment or {})
    standin = StandInProcess(base_directory, port, environment or {}, process)
    try:
        wait_until_ready(standin.url, process)
        yield standin
    finally:
        standin.stop(signal.SIGKILL)


def image_to_video_graph(
    *,
    image: str,
    lora: str | None = None,
    seed: int = 7,
    steps: int = 2,
    side: int = 64,
    frames: int = 5,
    fps: float = 12.0,
    prefix: str = "test/clip",
) -> Graph:
    """A workflow as a studio would export it: one picture in, one clip and its last frame out."""
    graph: Graph = {
        "1": {"class_type": "LoadImage", "inputs": {"image": image}},
        "2": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": CHECKPOINT}},
        "4": {"class_type": "CLIPTextEncode", "inputs": {"text": "a calm portrait", "clip": ["2", 1]}},
        "5": {"class_type": "CLIPTextEncode", "inputs": {"text": "blurry", "clip": ["2", 1]}},
        "6": {
            "class_type": "WanImageToVideo",
            "inputs": {
                "positive": ["4", 0], "negative": ["5", 0], "vae": ["2", 2], "start_image": ["1", 0],
                "width": side, "height": side, "length": frames, "batch_size": 1,
            },
        },
        "7": {
            "class_type": "KSampler",
            "inputs": {
                "model": ["2", 0], "seed": seed, "steps": steps, "cfg": 6.0, "sampler_name": "euler",
                "scheduler": "normal", "positive": ["6", 0], "negative": ["6", 1], "latent_image": ["6", 2],
                "denoise": 1.0,
            },
        },
        "8": {"class_type": "VAEDecode", "inputs": {"samples": ["7", 0], "vae": ["2", 2]}},
        "9": {"class_type": "CreateVideo", "inputs": {"images": ["8", 0], "fps": fps}},
        "20": {
            "class_type": "SaveVideo",
            "inputs": {"video": ["9", 0], "filename_prefix": prefix, "format": "mp4", "codec": "h264"},
        },
        "10": {"class_type": "ImageFromBatch", "inputs": {"image": ["8", 0], "batch_index": 4095, "length": 1}},
        "21": {"class_type": "SaveImage", "inputs": {"images": ["10", 0], "filename_prefix": f"{prefix}_last"}},
    }  # fmt: skip
    if lora is not None:
        graph["3"] = {
            "class_type": "LoraLoaderModelOnly",
            "inputs": {"model": ["2", 0], "lora_name": lora, "strength_model": 1.0},
        }
        graph["7"]["inputs"]["model"] = ["3", 0]
    return graph


def still_graph(*, image: str, prefix: str = "test/still", frames: int = 3) -> Graph:
    """No sampler, no LoRA: a picture held still."""
    return {
        "1": {"class_type": "LoadImage", "inputs": {"image": image}},
        "2": {
            "class_type": "ImageScale",
            "inputs": {"image": ["1", 0], "upscale_method": "area", "width": 64, "height": 64, "crop": "center"},
        },
        "3": {"class_type": "RepeatImageBatch", "inputs": {"image": ["2", 0], "amount": frames}},
        "4": {"class_type": "CreateVideo", "inputs": {"images": ["3", 0], "fps": 12.0}},
        "20": {
            "class_type": "SaveVideo",
            "inputs": {"video": ["4", 0], "filename_prefix": prefix, "format": "auto", "codec": "auto"},
        },
    }
