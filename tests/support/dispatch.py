"""A dispatch service for tests: facts it needs, its parts wired over a real database, and a render server in memory."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import numpy as np
from PIL import Image

from services.dispatch.adapters.clips import ClipReader, UnreadableClip
from services.dispatch.adapters.frames import FrameComparer
from services.dispatch.adapters.render_server import (
    Absent,
    Finished,
    Location,
    OutputFile,
    PermanentRenderError,
    Progress,
    Queued,
    QueueSnapshot,
    RenderError,
    RenderLost,
    RenderResult,
    RenderServer,
    Running,
    ServerStats,
    ServerStuck,
    ServerUnreachable,
)
from services.dispatch.domain.jobs import Job
from services.dispatch.domain.scenes import Scene
from services.dispatch.handlers import Handlers
from services.dispatch.operations.assignments import AssignmentOperations
from services.dispatch.operations.batches import BatchOperations
from services.dispatch.operations.facts import FactOperations
from services.dispatch.operations.planning import Planner
from services.dispatch.operations.queue import QueueOperations
from services.dispatch.operations.regenerations import RegenerationOperations
from services.dispatch.operations.rendering import RenderOperations
from services.dispatch.operations.repairs import RepairOperations
from services.dispatch.operations.requests import RequestOperations
from services.dispatch.operations.reviews import ReviewOperations
from services.dispatch.operations.scenes import SceneOperations
from services.dispatch.operations.score_gates import ScoreGates
from services.dispatch.operations.seams import SeamOperations
from services.dispatch.operations.servers import ServerOperations
from services.dispatch.operations.shots import ShotOperations
from services.dispatch.operations.timelines import Look, Timelines
from services.dispatch.operations.undoing import UndoOperations
from services.dispatch.store import Store
from services.dispatch.workers.clips import ClipCollector, GraphBuilder
from services.dispatch.workers.fleet import Fleet
from services.dispatch.workers.rendering import RenderWorker
from services.dispatch.workers.repairs import RepairWorker
from services.dispatch.workers.upkeep import UpkeepWorker
from services.dispatch.workers.waiting import Patience
from shared.cause import Cause
from shared.clock import Clock, utc_now
from shared.contracts.asset import AssetUpdated, AssetVersionPublished, UpdateCause
from shared.contracts.character import CharacterUpdated
from shared.contracts.generation import GenerationRequested, SegmentOrder
from shared.contracts.project import ProjectUpdated
from shared.contracts.scene_type import SceneTypeUpdated
from shared.contracts.scoring import SegmentScored
from shared.contracts.topics import topic_of
from shared.contracts.types import (
    AssetId,
    AssetKind,
    AssetVersionId,
    CharacterId,
    LockedAsset,
    ProjectId,
    Purpose,
    RenderParameters,
    SceneTypeId,
    Tier,
)
from shared.contracts.workflow import Bindings, NodeInput, NodeOutput
from shared.media import MediaStore
from shared.postgres import Database
from shared.video.decode import ExaminedVideo, VideoError, examine
from shared.video.encode import encode_h264
from tests.support.events import delivered
from tests.support.standin import image_to_video_graph

PROJECT, CHARACTER, SCENE_TYPE = ProjectId(1), CharacterId(2), SceneTypeId(3)
WORKFLOW, LORA = AssetId(10), AssetId(11)
WORKFLOW_VERSION, LORA_VERSION = AssetVersionId(100), AssetVersionId(110)
LORA_FILE = "look-v1.safetensors"
CHECKSUM = "c" * 64

GRAPH = image_to_video_graph(image="placeholder.png")

BINDINGS = Bindings(
    seed_image=NodeInput(node="1", input="image"),
    video_output=NodeOutput(node="20"),
    seed=NodeInput(node="7", input="seed"),
    cfg=NodeInput(node="7", input="cfg"),
    steps=NodeInput(node="7", input="steps"),
    sampler=NodeInput(node="7", input="sampler_name"),
    prompt=NodeInput(node="4", input="text"),
    width=NodeInput(node="6", input="width"),
    height=NodeInput(node="6", input="height"),
    frames=NodeInput(node="6", input="length"),
    fps=NodeInput(node="9", input="fps"),
)


def seed_image_bytes(side: int = 96) -> bytes:
    """A picture with enough in it to move."""
    y, x = np.mgrid[0:side, 0:side]
    picture = np.stack([x * 2 % 256, y * 2 % 256, (x + y) % 256], axis=2).astype(np.uint8)
    buffer = BytesIO()
    Image.fromarray(picture).save(buffer, format="PNG")
    return buffer.getvalue()


def project_updated(**changes: Any) -> ProjectUpdated:
    return ProjectUpdated(**{"project_id": PROJECT, "name": "harbour", "sequence": 1} | changes)


def character_updated(source_image_sha256: str, **changes: Any) -> CharacterUpdated:
    values = {"character_id": CHARACTER, "project_id": PROJECT, "name": "Ada", "sequence": 1}
    return CharacterUpdated(**values | {"source_image_sha256": source_image_sha256} | changes)


def scene_type_updated(**changes: Any) -> SceneTypeUpdated:
    parameters = RenderParameters(prompt="a calm portrait", steps=2, width=64, height=64, frames=5, fps=12)
    values = {"scene_type_id": SCENE_TYPE, "project_id": PROJECT, "name": "walk", "segment_count": 3, "sequence": 1}
    return SceneTypeUpdated(**values | {"parameters": parameters} | changes)


def version_published(**changes: Any) -> AssetVersionPublished:
    values: dict[str, Any] = {
        "version_id": WORKFLOW_VERSION,
        "asset_id": WORKFLOW,
        "kind": AssetKind.WORKFLOW,
        "name": "portrait",
        "version": 1,
        "checksum": CHECKSUM,
        "graph": GRAPH,
        "bindings": BINDINGS,
        "published_by": "tester",
        "published_at": datetime.now(UTC),
    }
    return AssetVersionPublished(**values | changes)


def asset_updated(**changes: Any) -> AssetUpdated:
    values: dict[str, Any] = {
        "asset_id": WORKFLOW,
        "kind": AssetKind.WORKFLOW,
        "name": "portrait",
        "previous_version_id": None,
        "version_id": WORKFLOW_VERSION,
        "cause": UpdateCause.RELEASE,
        "updated_by": "tester",
        "sequence": 1,
    }
    return AssetUpdated(**values | changes)


def facts(source_image_sha256: str) -> list[Any]:
    """All that a scene needs, as catalog says it."""
    return [
        project_updated(),
        character_updated(source_image_sha256),
        scene_type_updated(),
        version_published(),
        asset_updated(),
    ]


LOCKED_WORKFLOW = LockedAsset(
    asset_id=WORKFLOW,
    version_id=WORKFLOW_VERSION,
    kind=AssetKind.WORKFLOW,
    name="portrait",
    version=1,
    checksum=CHECKSUM,
)


def generation_requested(seed_image_sha256: str, *, segments: int = 2, **changes: Any) -> GenerationRequested:
    parameters = RenderParameters(seed=7, prompt="a calm portrait", steps=4, width=128, height=128, frames=5, fps=12)
    values: dict[str, Any] = {
        "request_id": uuid4(),
        "purpose": Purpose.REGRESSION,
        "tier": Tier.DRAFT,
        "project_id": PROJECT,
        "character_id": CHARACTER,
        "scene_type_id": SCENE_TYPE,
        "seed_image_sha256": seed_image_sha256,
        "source_image_sha256": seed_image_sha256,
        "assets": (LOCKED_WORKFLOW,),
        "segments": tuple(SegmentOrder(position=n, parameters=parameters) for n in range(1, segments + 1)),
    }
    return GenerationRequested(**values | changes)


async def said(database: Database, topic: str) -> list[dict[str, Any]]:
    """The payloads in the outbox, in the order in which they were said."""
    rows = await database.fetch("SELECT payload FROM outbox WHERE type = $1 ORDER BY seq", topic)
    return [row["payload"] for row in rows]


def score(generated: Mapping[str, Any], *, verdict: str = "pass", **changes: Any) -> SegmentScored:
    """What scoring says of a clip that was said to be generated: its sharpness has this verdict, its flicker passes."""
    value, limit = {"pass": (0.4, None), "warn": (0.12, 0.15), "fail": (0.03, 0.08)}[verdict]
    gates = [
        {"metric": "sharpness", "verdict": verdict, "value": value, "limit": limit, "message": f"sharpness {value}"},
        {"metric": "flicker", "verdict": "pass", "value": 0.001, "limit": None, "message": "flicker 0.001"},
    ]
    return SegmentScored.model_validate(
        {name: generated[name] for name in SegmentScored.model_fields if name in generated}
        | {
            "clip_sha256": generated["clip"]["sha256"],
            "metric_suite_version": "1",
            "identity_backend": {"name": "appearance", "version": "1", "is_identity": False},
            "status": "measured",
            "metrics": {},
            "gates": gates,
            "gate_verdict": verdict,
            "quality_score": 0.5,
            "measure_seconds": 0,
            "sequence": 1,
        }
        | changes
    )


@dataclass(slots=True)
class _Prompt:
    prompt_id: str
    graph: Mapping[str, Any]
    started: float


@dataclass
class FakeRenderServer:
    """A render server in memory: one prompt at a time, each `render_seconds` long; what it fails with can be set.

    `restart` loses queue and history, as the real one does. While `away` every call raises ServerUnreachable. While
    `dead` it answers as ever, and renders and stops nothing.
    """

    name: str = "fake"
    render_seconds: float = 0.0
    away: bool = False
    dead: bool = False
    failures: list[RenderError] = field(default_factory=list)
    refuse: RenderError | None = None
    defect: Exception | None = None
    submitted: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    graphs: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    clip_frames: int = 3
    suffix: str = ".mp4"
    node_descriptions: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._queue: list[_Prompt] = []
        self._history: dict[str, RenderError | None] = {}
        self._times: dict[str, tuple[float, float]] = {}
        self._clip: bytes | None = None

    def restart(self) -> None:
        self._queue, self._history, self.dead = [], {}, False

    async def stats(self) -> ServerStats:
        self._answer()
        return ServerStats(engine="Fake 1", python="3.11", torch=None, device="memory")

    async def object_info(self) -> Mapping[str, Any]:
        self._answer()
        return self.node_descriptions

    async def queue(self) -> QueueSnapshot:
        self._answer()
        ids = tuple(prompt.prompt_id for prompt in self._queue)
        return QueueSnapshot(running=ids[:1], pending=ids[1:])

    async def queue_ids(self) -> list[str]:
        """What it has to do, in order."""
        return [*(found := await self.queue()).running, *found.pending]

    @property
    def running_seconds(self) -> float:
        """Since what runs began."""
        return asyncio.get_running_loop().time() - self._queue[0].started

    async def upload_image(self, *, sha256: str, content: bytes, extension: str = "png", salt: str = "") -> str:
        self._answer()
        return f"{sha256}{salt and '-'}{salt}.{extension}"

    async def submit(
        self,
        *,
        prompt_id: str,
        graph: Mapping[str, Any],
        labels: Mapping[str, str] | None = None,
        is_new: bool = False,
    ) -> None:
        self._answer()
        if self.refuse is not None:
            raise self.refuse
        self.submitted.append(prompt_id)
        self.graphs[prompt_id] = graph
        self._queue.append(_Prompt(prompt_id, graph, asyncio.get_running_loop().time()))

    async def locate(self, prompt_id: str, *, ended: bool = False) -> Location:
        self._answer()
        for index, prompt in enumerate(self._queue):
            if prompt.prompt_id == prompt_id:
                return Running() if index == 0 else Queued(index)
        return Finished({"prompt": prompt_id}) if prompt_id in self._history else Absent()

    def result(self, found: Finished, expected_nodes: Sequence[str]) -> RenderResult:
        error = self._history[found.entry["prompt"]]
        if error is not None:
            raise error
        file = OutputFile(filename=f"{found.entry['prompt']}{self.suffix}", subfolder="", type="output")
        now, clock = datetime.now(UTC), asyncio.get_running_loop().time()
        started, ended = (now - timedelta(seconds=clock - at) for at in self._times[found.entry["prompt"]])
        return RenderResult(files={node: (file,) for node in expected_nodes}, started_at=started, ended_at=ended)

    async def withdraw(self, prompt_id: str) -> Location:
        self._answer()
        self._queue = [prompt for n, prompt in enumerate(self._queue) if n == 0 or prompt.prompt_id != prompt_id]
        return await self.locate(prompt_id)

    async def download(self, file: OutputFile, target: Path, *, max_bytes: int) -> int:
        self._answer()
        if self.defect is not None:
            raise self.defect
        if file.filename.removesuffix(self.suffix) not in self._history:
            raise RenderLost("it is gone")
        if self._clip is None:
            frames = (np.full((64, 64, 3), 40 * n, np.uint8) for n in range(self.clip_frames))
            encoded = target.with_suffix(".mp4")
            encode_h264(encoded, frames, fps=12.0)
            self._clip = encoded.read_bytes()
        target.write_bytes(self._clip)
        return len(self._clip)

    async def cancel(self, prompt_id: str) -> Finished | Absent:
        self._answer()
        self.cancelled.append(prompt_id)
        if self.dead and self._queue and self._queue[0].prompt_id == prompt_id:
            raise ServerStuck(f"{self.name}: prompt {prompt_id} did not stop")
        self._queue = [prompt for prompt in self._queue if prompt.prompt_id != prompt_id]
        return Absent()

    async def progress(self) -> AsyncIterator[Progress]:
        await asyncio.Event().wait()
        yield Progress(prompt_id="", node=None, fraction=0.0)

    async def close(self) -> None:
        return None

    def _answer(self) -> None:
        """What has ended by now has ended in its time, and the next began then, however late somebody asks."""
        if self.away:
            raise ServerUnreachable(f"{self.name} is away")
        now = asyncio.get_running_loop().time()
        while self._queue and not self.dead and now - self._queue[0].started >= self.render_seconds:
            done = self._queue.pop(0)
            ended = done.started + self.render_seconds
            self._history[done.prompt_id] = self.failures.pop(0) if self.failures else None
            self._times[done.prompt_id] = (done.started, ended)
            if self._queue:
                self._queue[0].started = max(self._queue[0].started, ended)


class InlineReader(ClipReader):
    """Decodes in this process: a pool would cost each test a second."""

    async def examine(self, path: Path) -> ExaminedVideo:
        try:
            return examine(path)
        except VideoError as error:
            raise UnreadableClip(str(error)) from error


PATIENCE = Patience(lease=5, poll=0.02, render=30, queue=30, away=0.2)


class Dispatch:
    """The parts of a dispatch service over a real database, without broker, sockets or loops: tests take each step."""

    def __init__(
        self,
        database: Database,
        media: MediaStore,
        servers: Sequence[RenderServer],
        *,
        patience: Patience = PATIENCE,
        max_attempts: int = 3,
        look: Look | None = None,
        prefetch: int = 1,
        now: Clock = utc_now,
    ) -> None:
        self.database, self.media = database, media
        self.store = Store(database)
        self.facts = FactOperations(store=self.store, now=now)
        self.requests = RequestOperations(store=self.store, new_work=_nothing, now=now)
        self.timelines = Timelines(store=self.store, look=look or FrameComparer(media=media), ssim_limit=0.98, now=now)
        self.gates = ScoreGates(store=self.store, timelines=self.timelines, patience_seconds=600, now=now)
        self.queue = QueueOperations(store=self.store, gates=self.gates, new_work=_nothing, now=now)
        self.reviews = ReviewOperations(
            store=self.store, timelines=self.timelines, gates=self.gates, new_work=_nothing, now=now
        )
        self.regenerations = RegenerationOperations(
            store=self.store, timelines=self.timelines, gates=self.gates, new_work=_nothing, now=now
        )
        planner = Planner(store=self.store, fact_patience_seconds=0, draw_seed=lambda: 42)
        self.scenes = SceneOperations(store=self.store, planner=planner, new_work=_nothing, now=now)
        self.shots = ShotOperations(
            store=self.store, planner=planner, timelines=self.timelines, gates=self.gates, new_work=_nothing, now=now
        )
        self.batches = BatchOperations(store=self.store, shots=self.shots, planner=planner, new_work=_nothing, now=now)
        self.assignments = AssignmentOperations(
            store=self.store, new_work=_nothing, lease=timedelta(seconds=patience.lease), now=now
        )
        self.renders = RenderOperations(
            store=self.store,
            timelines=self.timelines,
            gates=self.gates,
            new_work=_nothing,
            max_attempts=max_attempts,
            now=now,
        )
        self.fleet = Fleet(
            servers,
            operations=ServerOperations(store=self.store, now=now),
            new_work=_nothing,
            prefetch=prefetch,
            foreign_seconds=patience.queue,
            quiet_seconds=0,
        )
        graphs = GraphBuilder()
        reader = InlineReader(deadline_seconds=30)
        clips = ClipCollector(media=media, reader=reader, graphs=graphs, max_clip_bytes=10**8)
        self.workers = {
            server.name: RenderWorker(
                name=server.name,
                fleet=self.fleet,
                assignments=self.assignments,
                renders=self.renders,
                graphs=graphs,
                clips=clips,
                patience=patience,
                place_is_free=_nothing,
            )
            for server in servers
        }
        self.upkeep = UpkeepWorker(assignments=self.assignments, gates=self.gates, fleet=self.fleet)
        self.seams = SeamOperations(store=self.store)
        self.repairs = RepairOperations(
            store=self.store,
            timelines=self.timelines,
            gates=self.gates,
            new_work=_nothing,
            patience_seconds=600,
            now=now,
        )
        self.undoing = UndoOperations(store=self.store, timelines=self.timelines, gates=self.gates, new_work=_nothing)
        self.repairing = RepairWorker(operations=self.repairs, media=media)
        self.handlers = Handlers(
            facts=self.facts, requests=self.requests, reviews=self.reviews, seams=self.seams, repairs=self.repairs
        )

    async def learn(self, *events: Any) -> None:
        """Have events delivered for the first time, each by its own handler."""
        for event in events:
            await self.hear(event)

    async def hear(self, event: Any, cause: Cause | None = None) -> None:
        await getattr(self.handlers, _handler_of(event))(event, cause or delivered(event))

    async def ready(self) -> str:
        """Facts are known, the servers are seen; returns the hash of the seed image."""
        sha256 = await self.media.put_bytes(seed_image_bytes())
        await self.learn(*facts(sha256))
        await self.fleet.check()
        return sha256

    async def work(self) -> int:
        """Steps of all workers until none finds anything; returns how many did something."""
        steps = 0
        while any([await worker.step() for worker in self.workers.values()]):
            steps += 1
        return steps

    async def scene_of(self, event: GenerationRequested) -> Scene:
        scene_id = await self.database.fetchval("SELECT id FROM scenes WHERE request_id = $1", event.request_id)
        scene = await self.store.scene(scene_id)
        assert scene is not None
        return scene

    async def only_job(self) -> Job:
        """The open or last job there is."""
        return (await self.store.jobs_page(before=None, limit=1, state=None, scene_id=None))[0]


def _handler_of(event: Any) -> str:
    return str(topic_of(event).name).replace(".", "_")


def _nothing() -> None:
    return None


NODE_ERROR = PermanentRenderError("ValueError: no", kind="node_error", node="7 (KSampler)")


def request_id_of(payload: Mapping[str, Any]) -> UUID:
    return UUID(payload["request_id"])
