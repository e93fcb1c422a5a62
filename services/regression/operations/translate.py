"""Between events and JSON columns on one side, and the domain's values on the other. No decisions."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from services.regression.domain.baseline import Backend, Baseline, BaselineMetric, Reading, ScoredSegment
from services.regression.domain.environment import Environment
from services.regression.domain.judgement import Judgement
from services.regression.domain.locks import Lock, LockedVersion
from services.regression.domain.noise import Noise
from services.regression.domain.rules import Direction, Override, Overrides
from services.regression.store.rows import AssetVersionRow, BaselineRow, Json, RenderSegmentRow
from shared.contracts.types import LockedAsset, ThresholdSettings


def lock_of(raw: Sequence[Json]) -> Lock:
    return tuple(locked_version(LockedAsset.model_validate(one)) for one in raw)


def locked_version(asset: LockedAsset) -> LockedVersion:
    return LockedVersion(
        asset_id=asset.asset_id,
        version_id=asset.version_id,
        kind=asset.kind.value,
        name=asset.name,
        version=asset.version,
        checksum=asset.checksum,
        file_name=asset.file_name,
    )


def locked_row(row: AssetVersionRow | None) -> LockedVersion | None:
    if row is None:
        return None
    return LockedVersion(
        asset_id=row.asset_id,
        version_id=row.id,
        kind=row.kind,
        name=row.name,
        version=row.version,
        checksum=row.checksum,
        file_name=row.file_name,
    )


def lock_contract(lock: Lock) -> tuple[LockedAsset, ...]:
    return tuple(LockedAsset.model_validate(asdict(locked)) for locked in lock)


def lock_json(lock: Lock) -> list[Json]:
    return [asdict(locked) for locked in lock]


def overrides(raw: Json) -> Overrides:
    settings = ThresholdSettings.model_validate(raw)
    return Overrides(
        confidence=settings.confidence,
        metrics={
            name: Override(
                direction=Direction(one.direction.value) if one.direction is not None else None,
                threshold=one.threshold,
                veto=one.veto,
                enabled=one.enabled,
            )
            for name, one in settings.metrics.items()
        },
    )


def environment(raw: Json) -> Environment:
    files = raw.get("model_files") or {}
    pairs = files.items() if isinstance(files, dict) else files
    return Environment(
        engine=raw["engine"],
        python=raw.get("python"),
        torch=raw.get("torch"),
        device=raw.get("device"),
        node_classes=tuple(sorted(raw.get("node_classes") or ())),
        model_files=tuple(sorted((name, checksum) for name, checksum in pairs)),
    )


def environment_json(found: Environment) -> Json:
    return {**asdict(found), "model_files": dict(found.model_files)}


def reading(raw: Json) -> Reading:
    region = raw.get("worst_region")
    return Reading(
        value=raw.get("value"),
        unit=raw.get("unit", ""),
        direction=Direction(raw.get("direction", Direction.TWO_SIDED)),
        not_measurable=raw.get("not_measurable"),
        worst_frame=raw.get("worst_frame"),
        worst_value=raw.get("worst_value"),
        worst_region=(region[0], region[1], region[2], region[3]) if region else None,
    )


def backend(raw: Json) -> Backend:
    return Backend(
        name=raw["name"],
        version=raw["version"],
        is_identity=raw.get("is_identity", False),
        notice=raw.get("notice", ""),
    )


def render(rows: Sequence[RenderSegmentRow]) -> dict[int, ScoredSegment]:
    """By position; positions of which a half is missing are left out."""
    return {
        row.position: _scored(row.position, row.generated, row.scored)
        for row in rows
        if row.generated is not None and row.scored is not None
    }


def _scored(position: int, generated: Json, scored: Json) -> ScoredSegment:
    lost = (scored.get("not_measurable") or "no reason was given") if scored["status"] == "not_measurable" else None
    return ScoredSegment(
        position=position,
        clip_sha256=generated["clip"]["sha256"],
        environment=environment(generated["environment"]),
        metric_suite_version=scored["metric_suite_version"],
        backend=backend(scored["identity_backend"]),
        readings={name: reading(raw) for name, raw in scored["metrics"].items()},
        not_measurable=lost,
    )


def baseline_columns(found: Baseline) -> dict[str, Any]:
    """The columns of `regression_baselines` that hold it."""
    scores = {
        str(position): {
            name: {
                "mean": metric.mean,
                "values": list(metric.values),
                "unit": metric.unit,
                "direction": metric.direction.value,
                "lost": list(metric.lost),
            }
            for name, metric in metrics.items()
        }
        for position, metrics in found.metrics.items()
    }
    noise = {
        str(position): {name: asdict(metric.noise) for name, metric in metrics.items()}
        for position, metrics in found.metrics.items()
    }
    return {
        "clips": {str(position): sha for position, sha in found.clips.items()},
        "scores": scores,
        "noise": noise,
        "environments": [environment_json(one) for one in found.environments],
        "metric_suite_version": found.metric_suite_version,
        "identity_backend": asdict(found.backend),
    }


def baseline(row: BaselineRow) -> Baseline:
    return Baseline(
        clips={int(position): sha for position, sha in row.clips.items()},
        metrics={
            int(position): {name: _baseline_metric(raw, row.noise[position][name]) for name, raw in metrics.items()}
            for position, metrics in row.scores.items()
        },
        environments=tuple(environment(raw) for raw in row.environments),
        metric_suite_version=row.metric_suite_version or "",
        backend=backend(row.identity_backend or {"name": "", "version": ""}),
    )


def _baseline_metric(raw: Json, noise: Json) -> BaselineMetric:
    return BaselineMetric(
        unit=raw["unit"],
        direction=Direction(raw["direction"]),
        values=tuple(float(value) for value in raw["values"]),
        lost=tuple(raw["lost"]),
        noise=Noise(
            deviation=float(noise["deviation"]),
            observations=noise["observations"],
            degrees_of_freedom=noise["degrees_of_freedom"],
            pooled=noise["pooled"],
        ),
    )


def new_scores(found: dict[int, ScoredSegment]) -> Json:
    return {
        str(position): {
            name: {"value": one.measured, "unit": one.unit, "not_measurable": one.not_measurable}
            for name, one in segment.readings.items()
        }
        for position, segment in found.items()
    }


def judgement_json(found: Judgement) -> Json:
    return asdict(found)
