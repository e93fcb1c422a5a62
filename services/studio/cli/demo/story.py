"""The scenario, step by step. It only does and reports; every verdict is the regression service's."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.status import Status

from services.studio.cli.catalog import checksum_of
from services.studio.cli.client import ApiProblem, Client, ConnectionProblem
from services.studio.cli.demo.inputs import SCENE_PARAMETERS, SEED, SEGMENTS, Inputs
from services.studio.cli.demo.told import Render, Run, Step, Told
from services.studio.domain.reading import run_view
from services.studio.domain.report import RunView

JsonObject = dict[str, Any]

POLL_SECONDS = 0.4
STEP_SECONDS = 240.0
"""No step of the scenario takes nearly as long; after this it says what it was waiting for, and stops."""

RUNS = "/api/regression/runs"


@dataclass
class Story:
    client: Client
    inputs: Inputs
    progress: Console
    steps: list[Step] = field(default_factory=list)
    status: Status | None = None

    def play(self) -> Told:
        things = self._set_up()
        scene = self._scene(things)
        reference = self._reference(scene)
        drifted = self._update(things, 2, "the face drifts; nobody asks for a test")
        rollback, proof = self._roll_back(drifted)
        harmless = self._update(things, 3, "the same look with rounded numbers")
        accepted = self._accept(harmless, reference["id"])
        return Told(
            url=self.client.url,
            mark=self.inputs.mark,
            steps=tuple(self.steps),
            scene_id=scene["id"],
            reference=reference,
            drifted=drifted,
            rollback=rollback,
            proof=proof,
            harmless=harmless,
            accepted=accepted,
            renders=tuple(self._renders(things["character"])),
        )

    def _set_up(self) -> dict[str, int]:
        mark = self.inputs.mark
        with self._step("project, character with a photograph, scene type, workflow v1, LoRA v1"):
            project = self.client.post("/api/projects", {"name": f"Demo {mark}"})["id"]
            file = ("photograph.png", self.inputs.photograph(), "image/png")
            character = self.client.upload(
                "/api/characters", fields={"project_id": project, "name": f"Eileen {mark}"}, file=file
            )["id"]
            kind = {
                "project_id": project,
                "name": "portrait",
                "segment_count": SEGMENTS,
                "parameters": SCENE_PARAMETERS,
            }
            scene_type = self.client.post("/api/scene-types", kind)["id"]
            workflow = self.client.post("/api/assets", {"kind": "workflow", "name": f"image-to-video-{mark}"})["id"]
            version = {"graph": self.inputs.graph(), "bindings": self.inputs.bindings(), "note": "first"}
            self.client.post(f"/api/assets/{workflow}/versions", version)
            lora = self.client.post("/api/assets", {"kind": "lora", "name": f"look-{mark}"})["id"]
            self._publish(lora, 1, "a mild look")
        return {
            "project": project,
            "character": character,
            "scene_type": scene_type,
            "workflow": workflow,
            "lora": lora,
        }

    def _publish(self, lora: int, version: int, note: str) -> int:
        file = self.inputs.lora(version)
        body = {"file_name": file.name, "checksum": checksum_of(file), "note": note}
        published: int = self.client.post(f"/api/assets/{lora}/versions", body)["id"]
        return published

    def _scene(self, things: dict[str, int]) -> JsonObject:
        with self._step(f"a scene of {SEGMENTS} chained segments, rendered at full tier and scored"):
            body = {
                "name": "first look",
                "character_id": things["character"],
                "scene_type_id": things["scene_type"],
                "workflow_id": things["workflow"],
                "lora_id": things["lora"],
                "seed": SEED,
            }
            scene: JsonObject = self.client.post("/api/scenes", body)
            finished: JsonObject = self._wait(lambda: self._finished_scene(scene["id"]))
        return finished

    def _finished_scene(self, scene: int) -> JsonObject | None:
        """None while it is rendered or its scores are on their way."""
        found: JsonObject = self.client.get(f"/api/scenes/{scene}")
        if found["state"] in ("failed", "cancelled"):
            raise ConnectionProblem(f"scene {scene} {found['state']}: {found['state_reason']}")
        done = [segment for segment in found["segments"] if segment["clip"] is not None]
        scored = [segment for segment in done if segment["gate_verdict"] is not None]
        self._say(f"{len(done)} of {SEGMENTS} segments rendered, {len(scored)} scored")
        return found if found["state"] == "completed" and len(scored) == SEGMENTS else None

    def _reference(self, scene: JsonObject) -> JsonObject:
        with self._step("the scene becomes a reference: its draft baseline is captured three times"):
            made = self._wait(lambda: self._designated(scene["id"]))
            reference: JsonObject = self._wait(lambda: self._ready_reference(made["id"]))
        return reference

    def _designated(self, scene: int) -> JsonObject | None:
        """None while the last segment's news is still on its way to the regression service."""
        try:
            made: JsonObject = self.client.post("/api/regression/references", {"scene_id": scene})
            return made
        except ApiProblem as problem:
            if problem.status in (404, 409):
                return None
            raise

    def _ready_reference(self, reference: int) -> JsonObject | None:
        found: JsonObject = self.client.get(f"/api/regression/references/{reference}")
        if found["status"] == "failed":
            raise ConnectionProblem(f"the baseline of reference {reference} failed: {found.get('failure')}")
        capturing = found["capturing"] or {}
        self._say(f"baseline: {capturing.get('segments_done', 0)} of {capturing.get('segments_total', 0)} segments")
        return found if found["status"] == "ready" else None

    def _update(self, things: dict[str, int], version: int, note: str) -> Run:
        with self._step(f"LoRA version {version} is published: {note}"):
            began = time.monotonic()
            published = self._publish(things["lora"], version, note)
            run = self._wait(lambda: self._run_of(things["lora"], published))
            return self._ended(run, began)

    def _run_of(self, asset: int, version: int) -> int | None:
        """The run that nobody asked for."""
        self._say("waiting for the run that the update starts by itself")
        for run in self.client.get(RUNS, asset_id=asset, version_id=version)["items"]:
            found: int = run["id"]
            return found
        return None

    def _ended(self, run: int, began: float) -> Run:
        def answer() -> JsonObject | None:
            report: JsonObject = self.client.get(f"{RUNS}/{run}/report")
            view = run_view(report)
            self._say(f"run {run}: {view.done} of {view.total} segments rendered and measured")
            return None if view.running else report

        report = self._wait(answer)
        return Run(report=report, view=run_view(report), seconds=time.monotonic() - began)

    def _roll_back(self, drifted: Run) -> tuple[RunView, Run | None]:
        """What became of the rollback, and the run that proves it. Nothing is rolled back that is not degraded."""
        run = drifted.view.run_id
        if not drifted.view.can_rollback:
            return drifted.view, None
        with self._step(f"run {run} is rolled back; what failed is rendered again to prove it"):
            began = time.monotonic()
            self.client.post(f"{RUNS}/{run}/rollback")
            view = run_view(self._wait(lambda: self._rolled_back(run)))
            proof = view.rollback.proof_run_id
            return view, None if proof is None else self._ended(proof, began)

    def _rolled_back(self, run: int) -> JsonObject | None:
        report: JsonObject = self.client.get(f"{RUNS}/{run}/report")
        rollback = run_view(report).rollback
        self._say(rollback.text)
        return report if rollback.ended else None

    def _accept(self, harmless: Run, reference: int) -> bool:
        """Two more renders give the new baseline its noise; it counts once they are measured."""
        if harmless.view.outcome != "passed":
            return False
        run = harmless.view.run_id
        with self._step(f"run {run} is accepted as the new baseline, and rendered twice more for its noise"):
            self.client.post(f"{RUNS}/{run}/accept")
            self._wait(lambda: self._newest_baseline_of(reference, run))
            accepted = run_view(self.client.get(f"{RUNS}/{run}/report"))
        return bool(accepted.accepted_at)

    def _newest_baseline_of(self, reference: int, run: int) -> JsonObject | None:
        """None until the newest ready baseline is the one accepted from this run."""
        found = self._ready_reference(reference)
        if found is None:
            return None
        newest: JsonObject = found["baselines"][-1]
        ready = newest["status"] == "ready" and newest["accepted_from_run_id"] == run
        return found if ready else None

    def _renders(self, character: int) -> Iterator[Render]:
        """Everything that was rendered in this play, oldest first."""
        scenes = list(self.client.items("/api/scenes", character_id=character))
        for scene in reversed(scenes):
            found = self.client.get(f"/api/scenes/{scene['id']}")
            for segment in found["segments"]:
                if segment["clip"] is not None:
                    yield Render.of(found, segment)

    def _wait(self, ask: Callable[[], JsonObject | int | None]) -> Any:
        deadline = time.monotonic() + STEP_SECONDS
        while (answer := ask()) is None:
            if time.monotonic() > deadline:
                where = self.steps[-1].name if self.steps else "the start"
                raise ConnectionProblem(f"nothing happened for {STEP_SECONDS:g} s after: {where}; see `rushes status`")
            time.sleep(POLL_SECONDS)
        return answer

    def _say(self, text: str) -> None:
        if self.status is not None and text:
            self.status.update(f"  {text}")

    @contextmanager
    def _step(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        if not self.progress.is_terminal:
            self.progress.print(f"  … {name}", markup=False)
        with self.progress.status(f"  {name}") as self.status:
            yield
        self.status = None
        seconds = time.monotonic() - began
        self.steps.append(Step(name, seconds))
        self.progress.print(f"  ✓ {name} ({seconds:.1f} s)", markup=False)
