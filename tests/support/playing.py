"""Plays a studio's people over the public API alone: what journeys, faults and benchmarks drive the system with."""

import hashlib
import io
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from PIL import Image
from skimage import data

from deploy.comfyui_standin.lora_files import write_lora_from_parameters
from deploy.local.stack import LocalStack
from tests.support.standin import image_to_video_graph

Json = dict[str, Any]

POLL_SECONDS = 0.2
DEADLINE_SECONDS = 240.0

FACE = {"x": 0.44, "y": 0.22, "radius_x": 0.13, "radius_y": 0.17}
MILD: Json = {"colour": {"warmth": 0.01, "saturation": 0.02, "contrast": 0.01}, "detail": [0.05, 0.02]}
DRIFTING: Json = MILD | {
    "region": FACE,
    "local_colour": {"hue": 0.5, "brightness": -0.08},
    "displacement": {"bulge": 0.08, "swirl": 0.06, "y": 0.03},
}
HARMLESS: Json = MILD | {"quantisation_step": 0.001953125}

BINDINGS: Json = {
    "seed_image": {"node": "1", "input": "image"},
    "video_output": {"node": "20"},
    "prompt": {"node": "4", "input": "text"},
    "negative_prompt": {"node": "5", "input": "text"},
    "width": {"node": "6", "input": "width"},
    "height": {"node": "6", "input": "height"},
    "frames": {"node": "6", "input": "length"},
    "seed": {"node": "7", "input": "seed"},
    "steps": {"node": "7", "input": "steps"},
    "cfg": {"node": "7", "input": "cfg"},
    "sampler": {"node": "7", "input": "sampler_name"},
    "fps": {"node": "9", "input": "fps"},
    "lora_name": {"node": "3", "input": "lora_name"},
    "lora_strength": {"node": "3", "input": "strength_model"},
}

TINY: Json = {"width": 128, "height": 128, "frames": 5, "fps": 12, "steps": 2, "cfg": 6.0, "prompt": "Ada at dawn"}
SMALL: Json = {"width": 256, "height": 256, "frames": 12, "fps": 12, "steps": 6, "cfg": 6.0, "prompt": "Ada at dawn"}


def photograph() -> bytes:
    """The portrait that ships inside scikit-image, as an upload."""
    file = io.BytesIO()
    Image.fromarray(data.astronaut()).save(file, "PNG")
    return file.getvalue()


@dataclass
class Studio:
    """What was set up: ids by name."""

    project: int
    character: int
    scene_type: int
    workflow: int
    lora: int
    versions: list[Json] = field(default_factory=list)
    scenes: list[int] = field(default_factory=list)
    references: list[int] = field(default_factory=list)


class Player:
    """A person with an admin token at the edge of a running stack."""

    def __init__(self, stack: LocalStack) -> None:
        self.stack = stack
        token = (stack.home / "secrets" / "admin.token").read_text().strip()
        self.http = httpx.Client(
            base_url=stack.site.url("studio"), headers={"Authorization": f"Bearer {token}"}, timeout=30
        )

    def post(self, path: str, body: Json | None = None, **more: Any) -> Json:
        return self._ask("POST", path, json=body, **more)

    def get(self, path: str, **query: Any) -> Json:
        return self._ask("GET", path, params=query)

    def delete(self, path: str) -> None:
        self._ask("DELETE", path)

    def _ask(self, method: str, path: str, **more: Any) -> Json:
        """A part that is away answers 503: a person tries again, and so do we, up to the deadline; it counts once."""
        if method == "POST":
            more["headers"] = {"Idempotency-Key": secrets.token_hex(16)}
        deadline = time.monotonic() + DEADLINE_SECONDS
        while True:
            answer = self.http.request(method, path, **more)
            if answer.status_code != 503 or time.monotonic() > deadline:
                break
            time.sleep(POLL_SECONDS)
        assert answer.status_code < 400, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else {}

    def wait(self, what: str, look: Callable[[], Any], *, seconds: float = DEADLINE_SECONDS) -> Any:
        """The first true answer of `look`. A part that is away for a moment is looked at again."""
        deadline = time.monotonic() + seconds
        seen: Any = None
        while time.monotonic() < deadline:
            try:
                if seen := look():
                    return seen
            except httpx.TransportError as error:
                seen = error
            time.sleep(POLL_SECONDS)
        raise AssertionError(f"{what} did not happen within {seconds:g} s; last seen: {seen!r}")

    def set_up(self, *, name: str, parameters: Json = SMALL, segment_count: int = 2) -> Studio:
        """A project with a character, a scene type, a workflow and a LoRA, each at version 1."""
        project = self.post("/api/projects", {"name": name})["id"]
        character = self.post(
            "/api/characters",
            data={"project_id": str(project), "name": "Ada"},
            files={"image": ("ada.png", photograph(), "image/png")},
        )["id"]
        scene_type = self.post(
            "/api/scene-types",
            {"project_id": project, "name": "walk", "segment_count": segment_count, "parameters": parameters},
        )["id"]
        workflow = self.post("/api/assets", {"kind": "workflow", "name": f"{name} workflow"})["id"]
        graph = image_to_video_graph(image="seed.png", lora=f"{name}-v1.safetensors")
        self.post(f"/api/assets/{workflow}/versions", {"graph": graph, "bindings": BINDINGS})
        lora = self.post("/api/assets", {"kind": "lora", "name": f"{name} look"})["id"]
        studio = Studio(project, character, scene_type, workflow, lora)
        self.publish(studio, f"{name}-v1", MILD)
        return studio

    def publish(self, studio: Studio, file_name: str, parameters: Json) -> Json:
        """Put a LoRA file where every render server finds it, then publish it as the next version."""
        for folder in self.lora_folders():
            write_lora_from_parameters(folder / f"{file_name}.safetensors", parameters)
        version = self.post(
            f"/api/assets/{studio.lora}/versions",
            {
                "file_name": f"{file_name}.safetensors",
                "checksum": hashlib.sha256((folder / f"{file_name}.safetensors").read_bytes()).hexdigest(),
                "note": "",
            },
        )
        studio.versions.append(version)
        return version

    @contextmanager
    def held_queue(self) -> Iterator[None]:
        """Nothing new is rendered meanwhile, so that what was started stays unfinished however quick the machine is."""
        self._ask("PUT", "/api/queue", json={"is_paused": True})
        try:
            yield
        finally:
            self._ask("PUT", "/api/queue", json={"is_paused": False})

    def lora_folders(self) -> list[Path]:
        return [
            self.stack.home / name.replace("comfyui_standin", "comfyui", 1) / "models" / "loras"
            for name in self.stack.site.standins()
        ]

    def make_reference(self, studio: Studio, *, seed: int) -> int:
        return self.make_references(studio, seeds=[seed])[0]

    def make_references(self, studio: Studio, *, seeds: Iterable[int]) -> list[int]:
        """Render one scene per seed, designate each as a reference, and wait for all the baselines."""
        scenes = [self.start_scene(studio, seed=seed) for seed in seeds]
        for scene in scenes:
            self.wait(f"scene {scene}", lambda scene=scene: self._scene_is_finished(scene))  # type: ignore[misc]
        references = [self._designate(scene) for scene in scenes]
        for reference in references:
            self.wait(f"the baseline of {reference}", lambda one=reference: self._is_ready(one))  # type: ignore[misc]
        studio.scenes += scenes
        studio.references += references
        return references

    def start_scene(self, studio: Studio, *, seed: int, **more: Any) -> int:
        """Create a scene as soon as its facts have arrived at dispatch."""
        body = {
            "name": f"seed {seed}",
            "character_id": studio.character,
            "scene_type_id": studio.scene_type,
            "workflow_id": studio.workflow,
            "lora_id": studio.lora,
            "seed": seed,
        } | more
        return int(self.wait("a scene's facts", lambda: self._created("/api/scenes", body))["id"])

    def _created(self, path: str, body: Json) -> Json | None:
        answer = self.http.post(path, json=body)
        if answer.status_code in {404, 409, 422, 503}:
            return None
        assert answer.status_code < 400, answer.text
        created: Json = answer.json()
        return created

    def _scene_is_finished(self, scene: int) -> bool:
        found = self.get(f"/api/scenes/{scene}")
        assert found["state"] in {"rendering", "completed"}, found
        return bool(found["state"] == "completed")

    def _designate(self, scene: int) -> int:
        body = {"scene_id": scene}
        made = self.wait(f"the facts of scene {scene}", lambda: self._created("/api/regression/references", body))
        return int(made["id"])

    def _is_ready(self, reference: int) -> bool:
        found = self.get(f"/api/regression/references/{reference}")
        assert found["status"] != "failed", found
        return bool(found["status"] == "ready")

    def shown(self, scene: int) -> list[Json]:
        """The current version of every position, as dispatch knows them."""
        found = [segment for segment in self.get(f"/api/scenes/{scene}")["segments"] if segment["is_current"]]
        return sorted(found, key=lambda segment: int(segment["position"]))

    def boundaries(self, scene: int, position: int) -> Json:
        """Of the version that the scene shows, once smoothing knows it and those beside it, and has measured both.

        Dispatch says what a scene shows; smoothing hears of it later, of one version after the other.
        """

        def look() -> Json | None:
            shown = {segment["position"]: segment["id"] for segment in self.shown(scene)}
            answer = self.http.get(f"/api/segments/{shown[position]}/boundary-check")
            if answer.status_code != 200:
                return None
            found: Json = answer.json()
            known = {position: found["current_segment_id"]} | {
                found[end]["neighbour"]["position"]: found[end]["neighbour"]["segment_id"]
                for end in ("before", "after")
                if found[end] is not None and found[end]["neighbour"] is not None
            }
            return found if known == {one: shown[one] for one in shown if abs(one - position) <= 1} else None

        measured: Json = self.wait(f"the boundaries of position {position}", look)
        return measured

    def regenerate(self, segment: int, changes: Json) -> Json:
        """The new version, once the scene shows it."""
        asked = self.post(f"/api/segments/{segment}/regenerate?wait_seconds=20", changes)["segment"]["id"]

        def look() -> Json | None:
            found = self.get(f"/api/segments/{asked}")
            assert found["state"] != "failed", found
            return found if found["is_current"] else None

        made: Json = self.wait(f"version {asked} of segment {segment}", look)
        return made

    def prompts(self) -> set[str]:
        """Every prompt that a render server has finished, once none has anything left to do."""

        def idle() -> bool:
            queues = [httpx.get(f"{url}/queue", timeout=60).json() for url in self.stack.site.render_servers()]
            return not any(queue["queue_running"] or queue["queue_pending"] for queue in queues)

        self.wait("idle render servers", idle)
        return {
            prompt
            for url in self.stack.site.render_servers()
            for prompt in httpx.get(f"{url}/history", params={"max_items": 100_000}, timeout=60).json()
        }

    def run_of_version(self, version: int) -> Json:
        """The run that an update triggered by itself."""

        def look() -> Json | None:
            runs = self.get("/api/regression/runs", version_id=version)["items"]
            return next((run for run in runs if run["trigger_type"] == "lora_update"), None)

        found: Json = self.wait(f"the run of version {version}", look)
        return found

    def start_run(self, asset: int, version: int) -> int:
        return int(self.post("/api/regression/run", {"asset_id": asset, "version_id": version})["id"])

    def report(self, run: int, *, seconds: float = DEADLINE_SECONDS) -> Json:
        """The report of a run, once it has ended."""
        report: Json = self.wait(f"the end of run {run}", lambda: self._ended(run), seconds=seconds)
        return report

    def _ended(self, run: int) -> Json | None:
        report = self.get(f"/api/regression/runs/{run}/report")
        return report if report["run"]["status"] not in {"pending", "running"} else None


def prompt_ids(report: Json) -> set[str]:
    """The evidence that something was rendered."""
    return {segment["prompt_id"] for reference in report["references"] for segment in reference["segments"]}


def verdicts(report: Json) -> list[str]:
    return [reference["verdict"] for reference in report["references"]]


def metric(report: Json, name: str) -> list[Json]:
    """One metric of every segment, in order."""
    return [
        found
        for reference in report["references"]
        for segment in reference["segments"]
        for found in segment["metrics"]
        if found["metric"] == name
    ]


def rushes(stack: LocalStack, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command as a person's shell runs it, told of the stack by the environment alone."""
    with watching(stack, *arguments) as begun:
        said, problems = begun.communicate(timeout=280)
    return subprocess.CompletedProcess(begun.args, begun.returncode, said, problems)


@contextmanager
def watching(stack: LocalStack, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The same, while it runs: what it says can be read line by line."""
    ports = {
        f"RUSHES_PORT_{name.removeprefix('comfyui_').upper()}": str(port) for name, port in stack.site.ports.items()
    }
    begun = subprocess.Popen(
        [Path(sys.executable).with_name("rushes"), *arguments],
        env=os.environ | ports | {"RUSHES_HOME": str(stack.home), "NO_COLOR": "1", "COLUMNS": "200"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with begun:
        try:
            yield begun
        finally:
            begun.kill()
