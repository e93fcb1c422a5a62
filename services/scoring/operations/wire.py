"""Domain to contract: what a score looks like on the wire."""

from services.scoring import domain
from shared.contracts import types
from shared.contracts.scoring import IdentityBackendInfo, SegmentScored


def scored(
    pending: domain.Pending, measurement: domain.Measurement, judgement: domain.Judgement, *, sequence: int
) -> SegmentScored:
    """`measurement` is the answer's, with the segment's drift."""
    segment, answer = pending.segment, pending.answer
    reason = measurement.not_measurable
    return SegmentScored(
        sequence=sequence,
        scene_id=types.SceneId(segment.scene_id),
        segment_id=types.SegmentId(segment.id),
        position=segment.position,
        segment_count=segment.segment_count,
        project_id=types.ProjectId(segment.project_id),
        character_id=types.CharacterId(segment.character_id),
        scene_type_id=types.SceneTypeId(segment.scene_type_id),
        purpose=types.Purpose(segment.purpose),
        tier=types.Tier(segment.tier),
        request_id=segment.request_id,
        clip_sha256=segment.clip_sha256,
        baseline_clip_sha256=answer.question.baseline_clip_sha256,
        expected=types.ClipExpectation.model_validate(segment.expected, from_attributes=True),
        metric_suite_version=answer.question.method.suite_version,
        identity_backend=backend_of(answer.question.method),
        status="measured" if reason is None else "not_measurable",
        not_measurable=reason,
        metrics={name: reading_of(reading) for name, reading in measurement.readings.items()},
        gates=tuple(outcome_of(outcome) for outcome in judgement.outcomes),
        gate_verdict=types.GateVerdict(judgement.verdict.value),
        quality_score=judgement.quality_score,
        measure_seconds=answer.measure_seconds,
    )


def backend_of(method: domain.Method) -> IdentityBackendInfo:
    """The back-end that gave the answer, which need not be the one in use by now."""
    kind = domain.IDENTITY_KINDS.get(method.identity_backend)
    return IdentityBackendInfo(
        name=method.identity_backend,
        version=method.identity_backend_version,
        is_identity=kind is not None and kind.is_identity,
        notice="" if kind is None else kind.notice,
    )


def reading_of(reading: domain.Reading) -> types.MetricReading:
    return types.MetricReading(
        value=reading.value,
        unit=reading.unit,
        direction=types.Direction(reading.direction.value),
        not_measurable=reading.not_measurable,
        worst_frame=reading.worst_frame,
        worst_value=reading.worst_value,
        worst_region=reading.worst_region,
        details=dict(reading.details),
        note=reading.note,
    )


def outcome_of(outcome: domain.GateOutcome) -> types.GateResult:
    return types.GateResult(
        metric=outcome.metric,
        verdict=types.GateVerdict(outcome.verdict.value),
        value=outcome.value,
        limit=outcome.limit,
        message=outcome.message,
    )
