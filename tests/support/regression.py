"""The regression service on a real database, with the rest of the world played by hand.

`Renderer` answers what the service asks of dispatch and scoring, out of a table of values; nothing is rendered.
Answers can be shuffled, doubled or left out.
"""

import hashlib
import random
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from services.regression.handlers import Handlers
from services.regression.operations.limits import Limits
from services.regression.operations.wiring import Operations
from services.regression.store import Store
from shared.cause import Cause
from shared.contracts import topics
from shared.contracts.asset import AssetRollbackRejected, AssetUpdated, AssetVersionPublished, UpdateCause
from shared.contracts.base import Event
from shared.contracts.character import CharacterUpdated
from shared.contracts.project import ProjectUpdated
from shared.contracts.scene import PlannedSegment, SceneConfigured
from shared.contracts.scene_type import SceneTypeUpdated
from shared.contracts.scoring import IdentityBackendInfo, SegmentScored
from shared.contracts.segment import SegmentFailed, SegmentGenerated
from shared.contracts.types import (
    AssetKind,
    ClipExpectation,
    Direction,
    EnvironmentFingerprint,
    GateVerdict,
    LockedAsset,
    MetricReading,
    Purpose,
    RenderFailure,
    RenderParameters,
    StoredClip,
    Tier,
)
from shared.errors import AlreadyHandled
from shared.ids import uuid7
from shared.postgres import Database
from tests.support.judging import GOOD

START = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
PROJECT, CHARACTER, SCENE_TYPE = 1, 11, 21
WORKFLOW, LORA = 31, 32


def sha(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()


class World:
    """Time stands still unless `later` is called."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.store = Store(database)
        self.time = START
        self.operations = Operations.build(
            store=self.store,
            limits=Limits(render=timedelta(hours=1), rollback=timedelta(minutes=10), remeasure=timedelta(minutes=10)),
            now=lambda: self.time,
        )
        self.handlers = Handlers(
            facts=self.operations.facts,
            references=self.operations.references,
            answers=self.operations.answers,
            rollbacks=self.operations.rollbacks,
        )
        self._seen: dict[str, int] = {}
        self._sequence: dict[int, int] = {}
        self.active: dict[int, int] = {}

    def later(self, **by: float) -> None:
        self.time += timedelta(**by)

    async def hear(self, event: Event, event_id: UUID | None = None) -> UUID:
        """Deliver an event as the delivery policy would; a second delivery with the same id changes nothing."""
        cause = Cause(correlation_id=uuid7(), actor="service:test", event_id=event_id or uuid7(), topic="test")
        assert cause.event_id is not None
        handler: Callable[[Any, Cause], Awaitable[None]] = getattr(
            self.handlers, topics.topic_of(event).name.replace(".", "_")
        )
        with suppress(AlreadyHandled):
            await handler(event, cause)
        return cause.event_id

    async def said(self, topic: str) -> list[Any]:
        """Events of a topic said since it was asked for last."""
        rows = await self.database.fetch(
            "SELECT seq, payload FROM outbox WHERE aggregatetype = $1 AND seq > $2 ORDER BY seq",
            topic,
            self._seen.get(topic, 0),
        )
        self._seen[topic] = max((row["seq"] for row in rows), default=self._seen.get(topic, 0))
        return [topics.topic_named(topic).event.model_validate(row["payload"]) for row in rows]

    async def facts(self, *, regression: Mapping[str, Any] | None = None) -> None:
        await self.hear(ProjectUpdated(project_id=PROJECT, name="Pilot", regression=regression or {}, sequence=1))
        await self.hear(
            CharacterUpdated(character_id=CHARACTER, project_id=PROJECT, name="Ada", source_image_sha256=sha("ada"))
        )
        await self.hear(
            SceneTypeUpdated(
                scene_type_id=SCENE_TYPE, project_id=PROJECT, name="close-up", segment_count=3, parameters={}
            )
        )
        await self.publish(WORKFLOW, 1, AssetKind.WORKFLOW)
        await self.publish(LORA, 1)

    async def publish(self, asset: int, version: int, kind: AssetKind = AssetKind.LORA) -> int:
        """A version exists. Its id is the asset's id times 100, plus its number."""
        locked = locked_version(asset, version, kind)
        await self.hear(AssetVersionPublished(**locked.model_dump(), published_by="maria", published_at=START))
        return locked.version_id

    async def activate(
        self, asset: int, version: int, *, cause: UpdateCause = UpdateCause.RELEASE, run_id: int | None = None
    ) -> None:
        await self.hear(self.activation(asset, version, cause=cause, run_id=run_id))

    def activation(
        self, asset: int, version: int, *, cause: UpdateCause = UpdateCause.RELEASE, run_id: int | None = None
    ) -> AssetUpdated:
        self._sequence[asset] = self._sequence.get(asset, 0) + 1
        previous = self.active.get(asset)
        self.active[asset] = asset * 100 + version
        return AssetUpdated(
            asset_id=asset,
            kind=AssetKind.LORA if asset == LORA else AssetKind.WORKFLOW,
            name=f"asset {asset}",
            previous_version_id=previous,
            version_id=asset * 100 + version,
            cause=cause,
            run_id=run_id,
            updated_by="maria",
            sequence=self._sequence[asset],
        )

    async def release(self, asset: int, version: int) -> None:
        await self.publish(asset, version)
        await self.activate(asset, version)

    async def scene(self, id: int = 101, *, segments: int = 3, rendered: int | None = None) -> int:
        """A person's scene with this many segments, some of them rendered (by default all)."""
        configured = scene_configured(id, segments=segments)
        await self.hear(configured)
        for position in range(1, (segments if rendered is None else rendered) + 1):
            await self.hear(scene_segment(configured, position))
        return id

    async def reference(
        self, scene_id: int = 101, *, segments: int = 3, renderer: "Renderer | None" = None, **own: Any
    ) -> int:
        """A reference whose baseline is captured."""
        await self.scene(scene_id, segments=segments)
        reference_id = await self.designate(scene_id, **own)
        await (renderer or Renderer(self)).answer_all()
        return reference_id

    async def designate(self, scene_id: int, *, name: str | None = None, thresholds: Any = None) -> int:
        return await self.operations.references.designate(
            Cause.begin("maria"), scene_id=scene_id, name=name, thresholds=thresholds or {}
        )

    async def runs(self) -> list[Any]:
        """Oldest first."""
        rows = await self.store.run_page(
            before_id=None, limit=100, asset_id=None, version_id=None, status=None, outcome=None
        )
        return rows[::-1]

    async def report(self, run_id: int) -> dict[str, Any]:
        return await self.operations.reports.report(run_id)


Values = Mapping[str, float | None]


@dataclass
class Renderer:
    """Dispatch and scoring. `values(request, position)` says what a clip measures."""

    world: World
    values: Callable[[Any, int], Values] = lambda request, position: GOOD
    environment: EnvironmentFingerprint = field(
        default_factory=lambda: EnvironmentFingerprint(engine="ComfyUI 0.3.64", node_classes=("KSampler",))
    )
    suite: str = "1"
    backend: str = "look"
    fail_at: int | None = None
    failure: RenderFailure = field(
        default_factory=lambda: RenderFailure(kind="node_error", message="shapes do not match", permanent=True)
    )
    seed: int | None = None
    doubled: bool = False
    asked: list[Any] = field(default_factory=list)

    async def take(self) -> list[Any]:
        """What was asked since the last look."""
        asked = await self.world.said("generation.requested")
        self.asked += asked
        return asked

    async def answer_all(self) -> None:
        """Answer until nothing more is asked."""
        while asked := await self.take():
            await self.answer(*asked)

    async def answer(self, *requests: Any) -> None:
        events = [event for request in requests for event in self.events(request)]
        if self.seed is not None:
            random.Random(self.seed).shuffle(events)
        delivered: list[tuple[Event, UUID]] = []
        for event in events:
            delivered.append((event, await self.world.hear(event)))
        if self.doubled:
            for event, event_id in delivered:
                await self.world.hear(event, event_id)
                await self.world.hear(event)

    def events(self, request: Any) -> list[Event]:
        found: list[Event] = []
        for order in request.segments:
            if order.position == self.fail_at:
                return [*found, self.failed(request, order.position)]
            found += [self.generated(request, order), self.scored(request, order)]
        return found

    def generated(self, request: Any, order: Any) -> SegmentGenerated:
        lock = tuple(asset.version_id for asset in request.assets)
        clip = sha("clip", request.source_scene_id, order.position, lock)
        files = {asset.file_name: asset.checksum for asset in request.assets if asset.file_name}
        return SegmentGenerated(
            **self._where(request, order.position),
            version=1,
            clip=StoredClip(
                sha256=clip,
                size_bytes=1000,
                frame_digest=sha(clip),
                width=192,
                height=192,
                frames=24,
                fps=16,
                duration_seconds=1.5,
            ),
            last_frame_sha256=sha("last", clip),
            seed_image_sha256=request.seed_image_sha256,
            source_image_sha256=request.source_image_sha256,
            previous_clip_sha256=None,
            baseline_clip_sha256=order.baseline_clip_sha256,
            expected=ClipExpectation(),
            parameters=order.parameters,
            assets=request.assets,
            environment=self.environment.model_copy(update={"model_files": files}),
            job_id=order.position,
            attempt=1,
            prompt_id=uuid5(request.request_id, str(order.position)),
            server="http://127.0.0.1:8188",
            queued_seconds=0.5,
            render_seconds=2.0,
            generated_at=self.world.time,
        )

    def scored(self, request: Any, order: Any, *, suite: str | None = None) -> SegmentScored:
        clip = self.generated(request, order).clip.sha256
        values = dict(self.values(request, order.position))
        if order.baseline_clip_sha256 is None:
            values["ssim_to_baseline"] = None
        return SegmentScored(
            **self._where(request, order.position),
            clip_sha256=clip,
            baseline_clip_sha256=order.baseline_clip_sha256,
            expected=ClipExpectation(),
            metric_suite_version=suite or self.suite,
            identity_backend=IdentityBackendInfo(
                name=self.backend, version="1", is_identity=False, notice="no face weights"
            ),
            status="measured",
            metrics={name: reading(value) for name, value in values.items()},
            gate_verdict=GateVerdict.PASS,
            quality_score=0.8,
            measure_seconds=0.25,
        )

    def failed(self, request: Any, position: int) -> SegmentFailed:
        where = self._where(request, position)
        return SegmentFailed(**where, failure=self.failure, attempts=3, failed_at=self.world.time)

    def _where(self, request: Any, position: int) -> dict[str, Any]:
        scene = uuid5(NAMESPACE_URL, str(request.request_id)).int % 10**9
        return {
            "scene_id": scene,
            "segment_id": scene * 10 + position,
            "position": position,
            "segment_count": len(request.segments),
            "project_id": request.project_id,
            "character_id": request.character_id,
            "scene_type_id": request.scene_type_id,
            "purpose": request.purpose,
            "tier": request.tier,
            "request_id": request.request_id,
        }


def reading(value: float | None) -> MetricReading:
    return MetricReading(
        value=value,
        unit="0-1",
        direction=Direction.HIGHER,
        not_measurable="there is nothing to measure" if value is None else None,
        worst_frame=17 if value is not None else None,
        worst_region=(8, 8, 24, 24) if value is not None else None,
    )


def locked_version(asset: int, version: int, kind: AssetKind = AssetKind.LORA) -> LockedAsset:
    return LockedAsset(
        asset_id=asset,
        version_id=asset * 100 + version,
        kind=kind,
        name=f"asset {asset}",
        version=version,
        checksum=sha("asset", asset, version),
        file_name=f"anna_v{version}.safetensors" if kind is AssetKind.LORA else None,
    )


def scene_configured(id: int, *, segments: int = 3) -> SceneConfigured:
    return SceneConfigured(
        scene_id=id,
        project_id=PROJECT,
        character_id=CHARACTER,
        scene_type_id=SCENE_TYPE,
        name=f"scene {id}",
        tier=Tier.FULL,
        seed_image_sha256=sha("ada"),
        source_image_sha256=sha("ada"),
        assets=(locked_version(WORKFLOW, 1, AssetKind.WORKFLOW), locked_version(LORA, 1)),
        segments=tuple(
            PlannedSegment(position=position, parameters=RenderParameters(seed=2**64 - position, steps=20, width=768))
            for position in range(1, segments + 1)
        ),
    )


def scene_segment(scene: SceneConfigured, position: int) -> SegmentGenerated:
    """A rendered segment of a person's scene."""
    clip = sha("full", scene.scene_id, position)
    return SegmentGenerated(
        scene_id=scene.scene_id,
        segment_id=scene.scene_id * 10 + position,
        position=position,
        segment_count=len(scene.segments),
        version=1,
        project_id=scene.project_id,
        character_id=scene.character_id,
        scene_type_id=scene.scene_type_id,
        purpose=Purpose.SCENE,
        tier=Tier.FULL,
        request_id=None,
        clip=StoredClip(
            sha256=clip, size_bytes=1, frame_digest=clip, width=768, height=768, frames=24, fps=16, duration_seconds=1.5
        ),
        last_frame_sha256=clip,
        seed_image_sha256=scene.seed_image_sha256,
        source_image_sha256=scene.source_image_sha256,
        previous_clip_sha256=None,
        baseline_clip_sha256=None,
        expected=ClipExpectation(),
        parameters=scene.segments[position - 1].parameters,
        assets=scene.assets,
        environment=EnvironmentFingerprint(engine="ComfyUI 0.3.64"),
        job_id=1,
        attempt=1,
        prompt_id=uuid7(),
        server="http://127.0.0.1:8188",
        queued_seconds=0,
        render_seconds=1,
        generated_at=START,
    )


def rejection(run_id: int, reason: str, *, active: int) -> AssetRollbackRejected:
    return AssetRollbackRejected(asset_id=LORA, run_id=run_id, reason=reason, active_version_id=active)


def uses(version: int) -> Callable[[Any], bool]:
    """Does a request render the LoRA at this version?"""
    return lambda request: any(asset.version_id == LORA * 100 + version for asset in request.assets)


def drifting(version: int, *, at: int = 3, by: float = -0.22) -> Callable[[Any, int], Values]:
    """A LoRA version that loses the face at one position; every other version is fine."""
    broken = uses(version)

    def values(request: Any, position: int) -> Values:
        if broken(request) and position == at:
            return dict(GOOD) | {"identity_similarity": GOOD["identity_similarity"] + by, "sharpness": 0.42}
        return GOOD

    return values
