"""How far a scene has moved from its first segment, and where that leads; computed when it is asked for."""

from fastapi import APIRouter
from pydantic import Field

from services.scoring import domain
from services.scoring.api.fields import PathId, ReviewResponse, Viewer, review_of
from services.scoring.store import GateStore, ScoreStore, SegmentStore
from shared.contracts.types import Direction
from shared.http import ResponseModel


class DriftSegment(ResponseModel):
    """The current version of a position."""

    position: int
    segment_id: int
    tier: str
    is_measured: bool
    review: ReviewResponse | None


class DriftValue(ResponseModel):
    """Either `value` or the reason why there is none; 0 at position 1."""

    position: int
    value: float | None
    reason: str | None


class DriftCrossing(ResponseModel):
    """The first segment that is expected beyond `limit`, and the earliest and latest with 95 % confidence."""

    limit: float
    position: int
    earliest: int
    latest: int


class DriftMetric(ResponseModel):
    metric: str
    unit: str
    direction: Direction
    values: list[DriftValue]
    limit_above: float | None = Field(description="of the gate: fails above, or warns if nothing fails")
    limit_below: float | None
    slope: float | None = Field(description="per segment; null with fewer than 3 segments")
    slope_low: float | None = Field(description="of its 95 % interval; with 0 inside, the slope is no news")
    slope_high: float | None
    crossed_at: int | None = Field(description="the first segment measured beyond a limit")
    crossing: DriftCrossing | None = Field(description="only of a slope that is news and leads to a limit")
    outlook: str


class SceneDrift(ResponseModel):
    """Tier, suite and back-end are those of segment 1; a segment of another scale has no value, but the reason."""

    scene_id: int
    segment_count: int
    tier: str
    metric_suite_version: str | None
    identity_backend: str | None
    identity_backend_version: str | None
    segments: list[DriftSegment]
    metrics: list[DriftMetric]


def drift_router(*, segments: SegmentStore, scores: ScoreStore, gates: GateStore) -> APIRouter:
    router = APIRouter(prefix="/api", tags=["scoring"])

    @router.get(
        "/scenes/{scene_id}/drift", summary="Drift of a scene against its first segment", response_model=SceneDrift
    )
    async def scene_drift(scene_id: PathId, _: Viewer) -> SceneDrift:
        chain = await scores.chain(scene_id)
        states = [await segments.state(link.segment_id) for link in chain if link.segment_id is not None]
        known = [state for state in states if state is not None]
        if not known:
            raise domain.NotFound(f"scene {scene_id} is not known to scoring; only scenes with a generated segment are")
        scope = known[0].segment
        method = chain[0].method
        limits = domain.resolve_gates(
            project=await gates.of(project_id=scope.project_id, scene_type_id=None),
            scene_type=await gates.of(project_id=scope.project_id, scene_type_id=scope.scene_type_id),
            identity_backend="" if method is None else method.identity_backend,
        )
        drifts = domain.drifts_of(chain, limits)
        return _scene_drift(known, chain, method, drifts)

    return router


def _scene_drift(
    known: list[domain.SegmentState],
    chain: list[domain.Link],
    method: domain.Method | None,
    drifts: dict[str, domain.Drift],
) -> SceneDrift:
    measured = {link.position for link in chain if link.measurement is not None}
    first = known[0].segment
    return SceneDrift(
        scene_id=first.scene_id,
        segment_count=first.segment_count,
        tier=first.tier,
        metric_suite_version=None if method is None else method.suite_version,
        identity_backend=None if method is None else method.identity_backend,
        identity_backend_version=None if method is None else method.identity_backend_version,
        segments=[
            DriftSegment(
                position=state.segment.position,
                segment_id=state.segment.id,
                tier=state.segment.tier,
                is_measured=state.segment.position in measured,
                review=review_of(state),
            )
            for state in known
        ],
        metrics=[_metric(drift, [state.segment.position for state in known]) for drift in drifts.values()],
    )


def _metric(drift: domain.Drift, positions: list[int]) -> DriftMetric:
    low, high = drift.slope_range or (None, None)
    crossing = drift.crossing
    return DriftMetric(
        metric=drift.metric,
        unit=domain.METRICS[drift.metric].unit,
        direction=Direction(domain.METRICS[drift.metric].direction.value),
        values=[DriftValue(position=at, value=drift.values.get(at), reason=drift.missing.get(at)) for at in positions],
        limit_above=drift.limit_above,
        limit_below=drift.limit_below,
        slope=drift.slope,
        slope_low=low,
        slope_high=high,
        crossed_at=drift.crossed_at,
        crossing=None
        if crossing is None
        else DriftCrossing(
            limit=crossing.limit, position=crossing.position, earliest=crossing.earliest, latest=crossing.latest
        ),
        outlook=drift.outlook,
    )
