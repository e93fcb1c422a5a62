"""The whole local stack on a real ComfyUI: named by DISPATCH_COMFYUI_URLS, its workflows registered, nothing else.

The workflows are of core nodes alone, without sampler, LoRA or size inputs, and end in MP4, WebM and animated WebP.
Skipped where no real ComfyUI is named; see tests/support/real_comfyui.py.
"""

import hashlib
import io
import itertools
import secrets
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from PIL import Image

from deploy import topology
from deploy.local.site import port_variable
from deploy.local.stack import LocalStack
from shared.video.decode import examine
from tests.support.disturbing import Disturber, adoption_problems
from tests.support.infrastructure import free_port, short_home
from tests.support.playing import Json, Player, photograph
from tests.support.real_comfyui import (
    FRAMES,
    WORKFLOWS,
    RealComfyUI,
    flash_as_webp,
    grain_as_mp4,
    missing,
    running_comfyui,
)

REASON = missing()
pytestmark = [pytest.mark.skipif(REASON is not None, reason=REASON or ""), pytest.mark.timeout(900)]

SLOW, PICTURES = "slow", "pictures"
BLURS = 8
"""Some six seconds on two idle cores, in steps that an interrupt can act between."""

QUEUE_SECONDS = "20"
"""How long dispatch waits for other people's prompts: nobody else renders here."""

PARAMETERS = {"prompt": "at dawn", "width": 512, "cfg": 6.0, "frames": FRAMES}
"""Of the scene type. Most workflows bind none of it."""

SIZES = {"Ada": (200, 152), "Bo": (161, 121)}
"""Of the characters' photographs: neither is a multiple of eight, and one is odd."""


@pytest.fixture(scope="module")
def comfyui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealComfyUI]:
    with running_comfyui(tmp_path_factory.mktemp("comfyui")) as server:
        yield server


class Place:
    """A studio on a real server: its people, and the ids of its workflows by name."""

    def __init__(self, stack: LocalStack, server: RealComfyUI) -> None:
        self.stack, self.server = stack, server
        self.player, self.disturber = Player(stack), Disturber(stack)
        self.characters: dict[str, int] = {}
        self.workflows: dict[str, int] = {}
        self._set_up()

    def _set_up(self) -> None:
        name = f"real-{secrets.token_hex(3)}"
        project = self.player.post("/api/projects", {"name": name})["id"]
        for character, size in SIZES.items():
            self.characters[character] = self.player.post(
                "/api/characters",
                data={"project_id": str(project), "name": character},
                files={"image": (f"{character}.png", portrait(size), "image/png")},
            )["id"]
        self.scene_type = self.player.post(
            "/api/scene-types",
            {"project_id": project, "name": "walk", "segment_count": 3, "parameters": PARAMETERS},
        )["id"]
        slow, pictures = grain_as_mp4(blurs=BLURS, side=256), flash_as_webp(output="16")
        for kind, workflow in {**WORKFLOWS, SLOW: slow, PICTURES: pictures}.items():
            self.workflows[kind] = self.player.post("/api/assets", {"kind": "workflow", "name": f"{name} {kind}"})["id"]
            version = {"graph": workflow.graph, "bindings": workflow.bindings}
            self.player.post(f"/api/assets/{self.workflows[kind]}/versions", version)

    def start(self, workflow: str, *, segments: int = 3, seed: int = 11) -> int:
        """A scene, as soon as dispatch knows what it is made of."""
        body = {
            "name": f"{workflow} {seed}",
            "character_id": self.characters["Ada"],
            "scene_type_id": self.scene_type,
            "workflow_id": self.workflows[workflow],
            "segment_count": segments,
            "seed": seed,
        }
        return int(self.player.wait("the facts of a scene", lambda: self._created(body))["id"])

    def _created(self, body: Json) -> Json | None:
        answer = self.player.http.post("/api/scenes", json=body)
        return answer.json() if answer.status_code == 201 else None

    def scene(self, scene: int) -> Json:
        return self.player.get(f"/api/scenes/{scene}")

    def finished(self, scene: int) -> list[Json]:
        """Every version of its segments, once it has completed."""

        def look() -> bool:
            found = self.scene(scene)
            assert found["state"] in {"rendering", "completed"}, found["state_reason"]
            return bool(found["state"] == "completed")

        self.player.wait(f"the end of scene {scene}", look)
        return sorted(self.scene(scene)["segments"], key=lambda segment: segment["position"])

    def attempts(self, scene: int) -> list[Json]:
        """Of all jobs of a scene, oldest first."""
        jobs = self.player.get("/api/jobs", scene_id=scene, limit=50)["items"]
        details = [self.player.get(f"/api/jobs/{job['id']}") for job in sorted(jobs, key=lambda job: job["id"])]
        return [{**attempt, "job": job["id"]} for job in details for attempt in job["attempts"]]

    def prompt_of(self, scene: int) -> str:
        """The id of the attempt of a scene that the server has, once it has one."""

        def look() -> str | None:
            taken = [attempt for attempt in self.attempts(scene) if attempt["state"] == "submitted"]
            return taken[-1]["prompt_id"] if taken else None

        return str(self.player.wait(f"a prompt of scene {scene}", look))

    def in_the_middle(self, scene: int) -> str:
        """The prompt of a scene that the server is rendering just now."""
        prompt = self.prompt_of(scene)
        self.server.wait_until_running(prompt)
        return prompt

    def clip(self, segment: Json) -> bytes:
        link = self.player.get(f"/api/media/{segment['clip']['sha256']}/link")["url"]
        answer = self.player.http.get(link)
        assert answer.status_code == 200, answer.text
        return answer.content

    def assert_each_result_once(self) -> None:
        wrong = [job for job in adoption_problems(self.disturber) if (job["adopted"], job["said"]) != (1, 1)]
        assert wrong == []


def portrait(size: tuple[int, int]) -> bytes:
    file = io.BytesIO()
    with Image.open(io.BytesIO(photograph())) as picture:
        picture.resize(size, Image.Resampling.LANCZOS).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="module")
def place(comfyui: RealComfyUI) -> Iterator[Place]:
    processes = (topology.KAFKA, f"{topology.KAFKA}_controller", *(entry.name for entry in topology.SERVICES))
    ports = {port_variable(name): str(free_port()) for name in processes}
    with short_home() as home:
        environment = {**ports, "DISPATCH_COMFYUI_URLS": comfyui.url, "DISPATCH_QUEUE_TIMEOUT_SECONDS": QUEUE_SECONDS}
        stack = LocalStack(home, environment, attached=True)
        try:
            stack.start()
            comfyui.wait_until_ready()
            stack.wait_ready()
            place = Place(stack, comfyui)
            yield place
            place.player.http.close()
        finally:
            stack.down()


@pytest.mark.parametrize("name", WORKFLOWS)
def test_three_segments_are_rendered_each_from_the_last_frame_of_the_one_before(
    place: Place, name: str, tmp_path: Path
) -> None:
    workflow = WORKFLOWS[name]
    segments = place.finished(place.start(name))
    assert [(segment["position"], segment["version"]) for segment in segments] == [(1, 1), (2, 1), (3, 1)]
    for before, after in itertools.pairwise(segments):
        assert after["seed_image_sha256"] == before["clip"]["last_frame_sha256"]
    for segment in segments:
        content = place.clip(segment)
        assert hashlib.sha256(content).hexdigest() == segment["clip"]["sha256"]
        path = tmp_path / "clip"
        path.write_bytes(content)
        info = examine(path).info
        assert (info.frames, info.fps) == (workflow.frames, workflow.fps)
        assert (segment["clip"]["frames"], segment["clip"]["fps"]) == (workflow.frames, workflow.fps)


def test_clips_of_every_form_are_scored(place: Place) -> None:
    scenes = {name: place.start(name, segments=1, seed=7) for name in WORKFLOWS}
    for name, scene in scenes.items():
        place.finished(scene)
        place.player.wait(f"the score of {name}", partial(_is_scored, place, scene))


def _is_scored(place: Place, scene: int) -> bool:
    (segment,) = place.scene(scene)["segments"]
    return segment["gate_verdict"] is not None and segment["quality_score"] is not None


def test_an_output_that_is_no_clip_is_rendered_once_and_said_in_words(place: Place) -> None:
    scene = place.start(PICTURES, segments=1)
    place.player.wait("its end", lambda: place.scene(scene)["state"] == "failed")
    assert ".png, which is no clip" in place.scene(scene)["state_reason"]
    assert [attempt["state"] for attempt in place.attempts(scene)] == ["failed"]


def test_what_a_segment_was_rendered_with_is_stored_with_it(place: Place) -> None:
    stats = place.server.ask("/system_stats")
    (segment,) = place.finished(place.start("grain", segments=1, seed=5))
    found = segment["environment"]
    assert found["engine"] == f"ComfyUI {stats['system']['comfyui_version']}"
    assert found["torch"] == stats["system"]["pytorch_version"]
    assert found["python"] == stats["system"]["python_version"]
    assert found["device"] == "cpu"
    assert set(found["node_classes"]) == WORKFLOWS["grain"].node_classes()
    assert found["model_files"] == {}
    assert segment["parameters"]["seed"] == 5
    assert segment["parameters"]["width"] is None


def test_a_batch_of_every_character_and_workflow_renders_each_cell_once(place: Place) -> None:
    body = {
        "scene_type_id": place.scene_type,
        "character_ids": list(place.characters.values()),
        "configurations": [{"name": name, "workflow_id": place.workflows[name]} for name in WORKFLOWS],
    }
    plan = place.player.post("/api/test-shots/batch", body)
    assert len(plan["cells"]) == len(SIZES) * len(WORKFLOWS)
    assert plan["skipped"] == []
    batch = f"/api/test-shots/batches/{plan['batch_id']}"
    done = place.player.wait("the batch", lambda: _ended(place.player.get(batch)))
    assert (done["completed"], done["failed"]) == (len(plan["cells"]), 0)
    again = place.player.post("/api/test-shots/batch", body)
    assert (again["cells"], len(again["skipped"])) == ([], len(plan["cells"]))


def _ended(batch: Json) -> Json | None:
    return None if batch["rendering"] else batch


def test_a_regeneration_renders_one_segment_again_from_the_same_frame(place: Place) -> None:
    scene = place.start("grain", seed=21)
    before = place.finished(scene)
    prompts = len(place.attempts(scene))
    asked = place.player.post(f"/api/segments/{before[1]['id']}/regenerate?wait_seconds=60", {"seed": 99})
    again = asked["segment"]
    assert again["seed_image_sha256"] == before[0]["clip"]["last_frame_sha256"]
    assert again["clip"]["frame_digest"] != before[1]["clip"]["frame_digest"]
    assert again["previous_segment_id"] == before[1]["id"]
    assert len(place.attempts(scene)) == prompts + 1


def test_scenes_are_cancelled_before_they_are_sent_while_they_wait_there_and_while_they_are_rendered(
    place: Place,
) -> None:
    rendered, waiting, queued = (place.start(SLOW, seed=31 + number) for number in range(3))
    prompt, next_prompt = place.in_the_middle(rendered), place.prompt_of(waiting)
    assert (place.server.running(), place.server.waiting(), place.attempts(queued)) == ([prompt], [next_prompt], [])
    for scene in (queued, waiting):
        assert place.player.post(f"/api/scenes/{scene}/cancel")["state"] == "cancelled"
    place.player.wait("nothing to wait there", lambda: not place.server.waiting())
    assert place.server.running() == [prompt]
    place.player.post(f"/api/scenes/{rendered}/cancel")
    place.player.wait("an idle server", lambda: not place.server.running())
    assert place.server.verdict(prompt) == "execution_interrupted"
    assert place.server.ask(f"/history/{next_prompt}") == {}
    for scene, prompts in ((rendered, [prompt]), (waiting, [next_prompt]), (queued, [])):
        assert not [segment for segment in place.scene(scene)["segments"] if segment["clip"]]
        assert [attempt["prompt_id"] for attempt in place.attempts(scene)] == prompts
    place.finished(place.start("grain", segments=1, seed=34))


def test_a_render_that_somebody_else_interrupts_gets_its_next_attempt(place: Place) -> None:
    scene = place.start(SLOW, segments=1, seed=41)
    prompt = place.in_the_middle(scene)
    place.player.wait("an interrupt", lambda: _interrupted(place, prompt))
    place.finished(scene)
    assert [attempt["state"] for attempt in place.attempts(scene)] == ["failed", "adopted"]
    place.assert_each_result_once()


def _interrupted(place: Place, prompt: str) -> bool:
    """One that comes in the instant when a prompt starts is lost."""
    place.server.ask("/interrupt", {"prompt_id": prompt})
    return place.server.verdict(prompt) == "execution_interrupted"


def test_a_dispatch_killed_in_mid_render_takes_the_prompt_up_again(place: Place) -> None:
    scene = place.start(SLOW, segments=2, seed=51)
    prompt = place.in_the_middle(scene)
    place.stack.kill("dispatch")
    place.finished(scene)
    attempts = place.attempts(scene)
    assert attempts[0]["prompt_id"] == prompt
    assert [attempt["state"] for attempt in attempts] == ["adopted", "adopted"]
    place.assert_each_result_once()


def test_a_server_whose_executor_died_is_said_to_be_stuck_and_its_work_is_done_after_a_restart(place: Place) -> None:
    """Somebody sends it a node without `inputs`: it answers as ever, and renders nothing more."""
    poison = {**WORKFLOWS["still"].graph, "77": {"class_type": "LoadImage"}}
    poison["1"] = {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 0}}
    prompt = place.server.ask("/prompt", {"prompt": poison})["prompt_id"]
    scene = place.start("dissolve", segments=2, seed=71)
    place.player.wait("it to be stuck", _state_of(place, "stuck"))
    (server,) = place.player.get("/api/render-servers")["items"]
    assert prompt in server["problem"]
    assert place.server.running() == [prompt]
    place.server.kill()
    place.server.start_again()
    place.server.wait_until_ready()
    assert len(place.finished(scene)) == 2
    place.assert_each_result_once()


def test_a_server_killed_in_mid_render_loses_the_prompt_and_the_scene_is_finished_by_the_next_attempt(
    place: Place,
) -> None:
    scene, waiting = place.start(SLOW, segments=2, seed=61), place.start("dissolve", seed=62)
    prompt = place.in_the_middle(scene)
    place.server.kill()
    place.player.wait("its absence", _state_of(place, "away"))
    place.server.start_again()
    place.server.wait_until_ready()
    assert [segment["position"] for segment in place.finished(scene)] == [1, 2]
    assert len(place.finished(waiting)) == 3
    attempts = place.attempts(scene)
    assert (attempts[0]["prompt_id"], attempts[0]["state"]) == (prompt, "lost")
    assert [attempt["state"] for attempt in attempts[1:]] == ["adopted", "adopted"]
    assert attempts[1]["job"] == attempts[0]["job"]
    place.assert_each_result_once()


def _state_of(place: Place, state: str) -> Callable[[], bool]:
    def look() -> bool:
        (server,) = place.player.get("/api/render-servers")["items"]
        return bool(server["state"] == state)

    return look
