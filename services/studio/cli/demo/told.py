"""What a play of the demo has to tell, to programs and to people, and whether the story held."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from services.studio.cli.text import print_run
from services.studio.domain.report import ReferenceView, RunView

JsonObject = dict[str, Any]
LEAST_SPEED_UP = 3.0
"""What the draft tier must save in render time, by the product's promise. Told only; the story does not hang on it: a
machine that was busy during one of the two measures it wrongly."""


@dataclass(frozen=True)
class Step:
    name: str
    seconds: float


@dataclass(frozen=True)
class Run:
    """`report` as the API gave it; `seconds` from the cause of the run to its end."""

    report: JsonObject
    view: RunView
    seconds: float


@dataclass(frozen=True)
class Render:
    """One rendered segment: the evidence that something was really rendered."""

    scene_id: int
    purpose: str
    tier: str
    position: int
    prompt_id: str
    server: str
    clip_sha256: str
    frame_digest: str
    queued_seconds: float
    render_seconds: float

    @classmethod
    def of(cls, scene: Mapping[str, Any], segment: Mapping[str, Any]) -> "Render":
        return cls(
            scene_id=scene["id"],
            purpose=scene["purpose"],
            tier=scene["tier"],
            position=segment["position"],
            prompt_id=segment["prompt_id"],
            server=segment["server"],
            clip_sha256=segment["clip"]["sha256"],
            frame_digest=segment["clip"]["frame_digest"],
            queued_seconds=segment["queued_seconds"],
            render_seconds=segment["render_seconds"],
        )


@dataclass(frozen=True)
class Told:
    url: str
    mark: str
    steps: tuple[Step, ...]
    scene_id: int
    reference: JsonObject
    drifted: Run
    rollback: RunView
    proof: Run | None
    harmless: Run
    accepted: bool
    renders: tuple[Render, ...]

    @property
    def held(self) -> bool:
        return not self.broken()

    def broken(self) -> list[str]:
        """Where the play left the story; empty when it did not."""
        return list(self._broken())

    def _broken(self) -> Iterator[str]:
        yield from self._broken_update()
        yield from self._broken_rollback()
        yield from self._broken_release()

    def _broken_update(self) -> Iterator[str]:
        if self.drifted.view.outcome != "degraded":
            yield f"version 2 was called {self.drifted.view.outcome}, not degraded"
        elif not any(reference.worst is not None for reference in self.drifted.view.references):
            yield "the report on version 2 does not name a worst metric, segment and frame"
        if self.drifted.view.trigger != "a LoRA update":
            yield f"the run on version 2 was started by {self.drifted.view.trigger}, not by the update"

    def _broken_rollback(self) -> Iterator[str]:
        if self.proof is None or not self.rollback.rollback.text:
            yield "there was no rollback to prove"
        elif any(reference.verdict != "same" for reference in self.proof.view.references):
            yield "the rolled-back reference did not return to same"
        elif self.rollback.rollback.tone != "good":
            yield f"the rollback was not proven: {self.rollback.rollback.text}"

    def _broken_release(self) -> Iterator[str]:
        if self.harmless.view.counts["degraded"] or self.harmless.view.outcome != "passed":
            yield f"version 3 was called {self.harmless.view.outcome}, not passed"
        elif not self.accepted:
            yield "version 3 was not accepted as the new baseline"
        prompts = [render.prompt_id for render in self.renders]
        if len(set(prompts)) != len(prompts):
            yield "a prompt id was used for two renders"

    def rendered(self, run: Run | None) -> list[Render]:
        """What was rendered for a run: one clip per segment of its references."""
        if run is None:
            return []
        prompts = {segment.prompt_id for reference in run.view.references for segment in reference.segments}
        return [render for render in self.renders if render.prompt_id in prompts]

    @property
    def full_seconds(self) -> float:
        return sum(render.render_seconds for render in self.renders if render.purpose == "scene")

    @property
    def draft_seconds(self) -> float:
        return sum(render.render_seconds for render in self.rendered(self.drifted))

    @property
    def speed_up(self) -> float:
        return self.full_seconds / self.draft_seconds if self.draft_seconds else 0.0

    def document(self) -> JsonObject:
        runs = {"version_2": self.drifted, "rollback_proof": self.proof, "version_3": self.harmless}
        return {
            "story_held": self.held,
            "broken": self.broken(),
            "url": self.url,
            "mark": self.mark,
            "seconds": round(sum(step.seconds for step in self.steps), 3),
            "steps": [{"name": step.name, "seconds": round(step.seconds, 3)} for step in self.steps],
            "scene_id": self.scene_id,
            "reference_id": self.reference["id"],
            "runs": {name: None if run is None else self._run(run) for name, run in runs.items()},
            "rollback": {"text": self.rollback.rollback.text, "proven": self.rollback.rollback.tone == "good"},
            "accepted": self.accepted,
            "draft_against_full": {
                "full_render_seconds": round(self.full_seconds, 3),
                "draft_render_seconds": round(self.draft_seconds, 3),
                "times_as_fast": round(self.speed_up, 2),
                "promise_kept": self.speed_up >= LEAST_SPEED_UP,
            },
            "renders": [asdict(render) for render in self.renders],
        }

    def _run(self, run: Run) -> JsonObject:
        view = run.view
        return {
            "run_id": view.run_id,
            "report_url": f"{self.url}/reports/regression/{view.run_id}",
            "trigger": view.trigger,
            "outcome": view.outcome,
            "reason": view.reason,
            "counts": dict(view.counts),
            "seconds": round(run.seconds, 3),
            "stage_seconds": dict(view.stages),
            "notices": list(view.notices),
            "prompt_ids": [render.prompt_id for render in self.rendered(run)],
            "references": [_reference(reference) for reference in view.references],
        }

    def print(self, console: Console, *, token_file: Path) -> None:
        for title, run in (
            ("Version 2", self.drifted),
            ("The rollback's proof", self.proof),
            ("Version 3", self.harmless),
        ):
            console.rule(title, align="left")
            if run is None:
                console.print("  did not happen")
            else:
                print_run(console, run.view, url=self.url)
        console.rule(align="left")
        console.print(
            f"Draft tier: {self.draft_seconds:.1f} s of rendering instead of {self.full_seconds:.1f} s at full tier, "
            f"{self.speed_up:.1f} times as fast"
            + ("" if self.speed_up >= LEAST_SPEED_UP else f" (promised: {LEAST_SPEED_UP:g}; was the machine busy?)")
        )
        console.print(f"{len(self.renders)} segments rendered in {sum(step.seconds for step in self.steps):.0f} s")
        for problem in self.broken():
            console.print(f"✕ {problem}", style="bold red", markup=False)
        if self.held:
            console.print(
                "✓ The story held: degraded, rolled back and proven, then passed and accepted.", style="green"
            )
        console.print(
            f"\nLook next: {self.url}/reports/regression/{self.drifted.view.run_id} "
            f"(sign in with the token in {token_file})\n"
            "           make status, make logs, make down; rushes --help"
        )


def _reference(reference: ReferenceView) -> JsonObject:
    return {
        "reference_id": reference.reference_id,
        "title": reference.title,
        "verdict": reference.verdict,
        "summary": reference.summary,
        "worst": None if reference.worst is None else asdict(reference.worst),
        "segments": [
            {
                "position": segment.position,
                "verdict": segment.verdict,
                "prompt_id": segment.prompt_id,
                "baseline_clip_sha256": segment.baseline_clip,
                "new_clip_sha256": segment.new_clip,
                "render_seconds": segment.render_seconds,
                "metrics": [asdict(row) for row in segment.metrics],
            }
            for segment in reference.segments
        ],
    }
