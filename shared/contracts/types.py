"""Ids, enumerations and small values that several events share."""

from enum import StrEnum
from typing import Annotated, Any, Literal, NewType

from pydantic import AwareDatetime, Field, StringConstraints

from shared.contracts.base import Contract

ProjectId = NewType("ProjectId", int)
CharacterId = NewType("CharacterId", int)
SceneTypeId = NewType("SceneTypeId", int)
AssetId = NewType("AssetId", int)
AssetVersionId = NewType("AssetVersionId", int)
SceneId = NewType("SceneId", int)
SegmentId = NewType("SegmentId", int)
JobId = NewType("JobId", int)
ReferenceId = NewType("ReferenceId", int)
RunId = NewType("RunId", int)

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Instant = AwareDatetime
Seed = Annotated[int, Field(ge=0, le=2**64 - 1)]


class AssetKind(StrEnum):
    WORKFLOW = "workflow"
    LORA = "lora"
    MODEL = "model"


class Tier(StrEnum):
    """Render effort. Draft scales size and steps down for speed; results of different tiers are never compared."""

    DRAFT = "draft"
    FULL = "full"


class Purpose(StrEnum):
    """Why a clip was rendered."""

    SCENE = "scene"
    BASELINE = "baseline"
    REGRESSION = "regression"
    ROLLBACK_PROOF = "rollback_proof"
    TEST_SHOT = "test_shot"


class Direction(StrEnum):
    """Which way of a metric is better. `two_sided`: any move away from the baseline is a change for the worse."""

    HIGHER = "higher"
    LOWER = "lower"
    TWO_SIDED = "two_sided"


class GateVerdict(StrEnum):
    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"


class RenderParameters(Contract):
    """Everything a graph can be told, fully materialised. None: the graph does not bind it and keeps its own value.

    On a request these are full-tier values; on `segment.generated` they are the values that were really rendered.
    """

    seed: Seed = 0
    prompt: str | None = None
    negative_prompt: str | None = None
    cfg: float | None = Field(default=None, ge=0, le=100)
    steps: int | None = Field(default=None, ge=1, le=1000)
    sampler: str | None = None
    lora_strength: float | None = Field(default=None, ge=-10, le=10)
    width: int | None = Field(default=None, ge=16, le=8192, description="pixels")
    height: int | None = Field(default=None, ge=16, le=8192, description="pixels")
    frames: int | None = Field(default=None, ge=1, le=10_000)
    fps: float | None = Field(default=None, gt=0, le=240)


class LockedAsset(Contract):
    """One asset version as a render uses it."""

    asset_id: AssetId
    version_id: AssetVersionId
    kind: AssetKind
    name: str
    version: int = Field(ge=1)
    checksum: Sha256
    file_name: str | None = Field(default=None, description="as the render engine knows it; None for workflows")


class EnvironmentFingerprint(Contract):
    """What a render depended on besides its parameters, as far as the render engine tells."""

    engine: str = Field(description="name and version, for example 'ComfyUI 0.3.64'")
    python: str | None = None
    torch: str | None = None
    device: str | None = None
    node_classes: tuple[str, ...] = ()
    model_files: dict[str, str | None] = Field(
        default_factory=dict, description="file name -> sha256, None where the engine does not let it be read"
    )


class StoredClip(Contract):
    """A decoded and stored video file."""

    sha256: Sha256
    size_bytes: int = Field(gt=0)
    frame_digest: Sha256 = Field(description="over the decoded frames, so that container metadata plays no part")
    width: int
    height: int
    frames: int
    fps: float
    duration_seconds: float


class ClipExpectation(Contract):
    """What was asked of the renderer; None where the graph decides."""

    width: int | None = None
    height: int | None = None
    frames: int | None = None
    fps: float | None = None


class RenderFailure(Contract):
    kind: Literal[
        "invalid_graph", "node_error", "out_of_memory", "timeout", "bad_output", "lost", "cancelled", "deleted"
    ]
    message: str
    node: str | None = Field(default=None, description="node id and class, where the engine names one")
    permanent: bool


class MetricReading(Contract):
    """One metric of one clip. Either `value` or `not_measurable` is set."""

    value: float | None = None
    unit: str
    direction: Direction
    not_measurable: str | None = Field(default=None, description="the reason")
    worst_frame: int | None = Field(default=None, description="0-based frame where the metric is worst")
    worst_value: float | None = None
    worst_region: tuple[int, int, int, int] | None = Field(default=None, description="x, y, width, height in pixels")
    details: dict[str, float] = Field(default_factory=dict, description="further numbers of the metric, such as a p5")
    note: str | None = Field(default=None, description="one line for people: what is behind the value")


class GateResult(Contract):
    metric: str
    verdict: GateVerdict
    value: float | None
    limit: float | None
    message: str


class ThresholdOverride(Contract):
    """One metric's comparison rule, where it differs from the built-in one. None keeps the built-in value."""

    direction: Direction | None = None
    threshold: float | None = Field(
        default=None, ge=0, description="smallest move that counts, in the metric's own unit"
    )
    veto: bool | None = Field(default=None, description="a degradation here is never bought back by a gain elsewhere")
    enabled: bool | None = None


class ThresholdSettings(Contract):
    """How a project (or one reference) judges changes."""

    metrics: dict[str, ThresholdOverride] = Field(default_factory=dict)
    confidence: float | None = Field(default=None, gt=0.5, lt=1, description="of the noise-floor prediction interval")


JsonObject = dict[str, Any]
