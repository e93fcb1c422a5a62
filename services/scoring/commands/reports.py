"""What the commands find, as functions that return plain data; fields as in `fields.FIELDS`."""

import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from dataclasses import fields as fields_of
from pathlib import Path
from typing import Any

from services.scoring.adapters.identity import IdentityBackend
from services.scoring.domain import (
    METRIC_SUITE_VERSION,
    METRICS,
    Drift,
    Expectation,
    Gate,
    GateError,
    Judgement,
    Link,
    Measurement,
    Method,
    Reading,
    drifts_of,
    judge,
    resolve_gates,
)
from services.scoring.workers.comparison import HIGHER_IS_BETTER, Align, Comparison, Range, compare
from services.scoring.workers.measurement import MeasurementRequest, Watch, load_image, measure
from services.scoring.workers.meters import FREEZE_SECONDS

MOST_GATES_BYTES = 1024 * 1024


class BadInput(Exception):
    """What was typed or named cannot be used; the message is one line."""


def score(
    clip: Path,
    *,
    expected: Expectation,
    identity: Sequence[Path] = (),
    backend: IdentityBackend,
    gates: Mapping[str, Gate],
    sequence_fps: float = 24.0,
    freeze_seconds: float = FREEZE_SECONDS,
    series: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Any]:
    """Measure and judge one clip; fields as in FIELDS. Raises BadInput if it cannot be measured at all."""
    for image in identity:
        _image(image)
    watch = Watch(progress=progress)
    request = MeasurementRequest(
        clip=clip,
        expected=expected,
        source_image=identity[0] if identity else None,
        further_source_images=tuple(identity[1:]),
        sequence_fps=sequence_fps,
        freeze_seconds=freeze_seconds,
    )
    found = measure(request, identity=backend, watch=watch)
    if found.not_measurable is not None:
        raise BadInput(found.not_measurable)
    judgement = judge(found, gates)
    metrics = {name: _reading(reading) for name, reading in found.readings.items()}
    if series:
        for name, values in watch.series.items():
            metrics[name]["series"] = values
    return {
        "verdict": judgement.verdict,
        "quality_score": judgement.quality_score,
        "metric_suite_version": METRIC_SUITE_VERSION,
        "identity_backend": _described(backend) if identity else None,
        "metrics": metrics,
        "outcomes": _outcomes(judgement),
    }


def drifted(
    clips: Sequence[Path],
    *,
    identity: Sequence[Path] = (),
    backend: IdentityBackend,
    gates: Mapping[str, Gate],
    sequence_fps: float = 24.0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Any]:
    """How far each clip has moved from the first, and where that leads; fields as in FIELDS. A clip that cannot be
    measured has a reason instead of values. Raises BadInput for fewer than two clips, or if the first is none."""
    if len(clips) < 2:
        raise BadInput("drift needs a first clip and at least one more, in their order")
    for clip in clips:
        if not os.path.exists(clip):
            raise BadInput(f"{clip.name}: the clip does not exist")
    for image in identity:
        _image(image)
    method = Method(
        suite_version=METRIC_SUITE_VERSION,
        identity_backend=backend.kind.name,
        identity_backend_version=backend.version,
    )
    chain: list[Link] = []
    for position, clip in enumerate(clips, 1):
        found = _measured(clip, identity, backend, sequence_fps, progress)
        if position == 1 and found.not_measurable is not None:
            raise BadInput(f"{clip.name}: {found.not_measurable}")
        chain.append(Link(position=position, tier="file", method=method, measurement=found))
    return {
        "metric_suite_version": METRIC_SUITE_VERSION,
        "identity_backend": _described(backend) if identity else None,
        "segments": [
            {"position": link.position, "clip": str(clip), "not_measurable": _reason(link)}
            for link, clip in zip(chain, clips, strict=True)
        ],
        "metrics": {name: _drift(drift) for name, drift in drifts_of(chain, gates).items()},
    }


def _measured(
    clip: Path,
    identity: Sequence[Path],
    backend: IdentityBackend,
    sequence_fps: float,
    progress: Callable[[int, int], None],
) -> Measurement:
    request = MeasurementRequest(
        clip=clip,
        expected=Expectation(),
        source_image=identity[0] if identity else None,
        further_source_images=tuple(identity[1:]),
        sequence_fps=sequence_fps,
    )
    return measure(request, identity=backend, watch=Watch(progress=progress))


def _reason(link: Link) -> str | None:
    return None if link.measurement is None else link.measurement.not_measurable


def _drift(drift: Drift) -> dict[str, Any]:
    low, high = drift.slope_range or (None, None)
    return {
        "unit": METRICS[drift.metric].unit,
        "direction": METRICS[drift.metric].direction,
        "values": [{"position": at, "value": value} for at, value in drift.values.items()],
        "not_measurable": [{"position": at, "reason": reason} for at, reason in drift.missing.items()],
        "limit_above": drift.limit_above,
        "limit_below": drift.limit_below,
        "slope": drift.slope,
        "slope_low": low,
        "slope_high": high,
        "crossed_at": drift.crossed_at,
        "crossing": None if drift.crossing is None else asdict(drift.crossing),
        "outlook": drift.outlook,
    }


def _reading(reading: Reading) -> dict[str, Any]:
    return {
        "value": reading.value,
        "not_measurable": reading.not_measurable,
        "unit": reading.unit,
        "direction": reading.direction,
        "worst_frame": reading.worst_frame,
        "worst_value": reading.worst_value,
        "worst_region": reading.worst_region,
        "details": dict(reading.details),
        "note": reading.note,
    }


def _outcomes(judgement: Judgement) -> list[dict[str, Any]]:
    return [
        {"metric": each.metric, "verdict": each.verdict, "limit": each.limit, "message": each.message}
        for each in judgement.outcomes
    ]


def _described(backend: IdentityBackend) -> dict[str, Any]:
    return {
        "name": backend.kind.name,
        "version": backend.version,
        "is_identity": backend.kind.is_identity,
        "notice": backend.kind.notice,
    }


def compared(
    reference: Path,
    clip: Path,
    *,
    range_: Range = Range.FULL,
    align: frozenset[Align] = frozenset(),
    series: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Any]:
    """Compare two clips; fields as in FIELDS. Raises NotComparable or VideoError."""
    found = compare(reference, clip, range_=range_, align=align, progress=progress)
    return {
        "frames": found.frames,
        "left_out": found.left_out,
        "width": found.size[0],
        "height": found.size[1],
        "resized": found.resized,
        "bits": found.bits,
        "range": range_,
        "expanded": found.expanded,
        "metrics": {name: _track(found, name, series) for name in HIGHER_IS_BETTER if name in found.tracks},
    }


def _track(found: Comparison, name: str, series: bool) -> dict[str, Any]:
    track = found.tracks[name]
    worst = track.values[track.worst_frame]
    flawless = worst == (1.0 if name.startswith("ssim") else math.inf if name.startswith("psnr") else 0.0)
    described: dict[str, Any] = {
        "unit": {"ssim": "SSIM", "psnr": "dB", "mse": "levels squared", "mae": "levels"}[name.split("_")[0]],
        "direction": "higher" if HIGHER_IS_BETTER[name] else "lower",
        "mean": _finite(track.mean),
        "p5": _finite(track.p5),
        "worst_frame": None if flawless else track.worst_frame,
        "worst_value": _finite(worst),
        "worst_region": None if flawless else track.region,
    }
    if name in found.squared_errors:
        described["pooled"] = _finite(found.pooled_psnr(name))
    if series:
        described["series"] = [(frame, _finite(value)) for frame, value in enumerate(track.values)]
    return described


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def alike(first: Path, second: Path, *, backend: IdentityBackend) -> dict[str, Any]:
    """How like two pictures' faces are; fields as in FIELDS. Raises BadInput where one shows nothing to compare."""
    one, two = _image(first), _image(second)
    try:
        tracker = backend.tracker(one)
    except ValueError as error:
        raise BadInput(f"{first.name}: {error}") from error
    sighting = tracker.observe(two)
    if sighting is None:
        raise BadInput(f"{second.name}: nothing in it can be compared with {first.name}")
    return {
        "similarity": sighting.similarity,
        "region": sighting.region,
        "compared": tracker.region.kind,
        **_described(backend),
    }


def _image(path: Path) -> Any:
    if not os.path.exists(path):
        raise BadInput(f"{path.name}: the picture does not exist")
    try:
        return load_image(path)
    except ValueError as error:
        raise BadInput(f"{path.name}: {str(error).replace('the source image', 'the picture')}") from error


def gates_of(path: Path | None, *, identity_backend: str) -> Mapping[str, Gate]:
    """The built-in gates, with those of a file in their place: {"sharpness": {"fail_below": 0.1}}. Raises BadInput."""
    if path is None:
        return resolve_gates(identity_backend=identity_backend)
    known = {each.name for each in fields_of(Gate)} - {"metric", "identity_backend"}
    try:
        if path.stat().st_size > MOST_GATES_BYTES:
            raise BadInput(f"{path.name} is too large for a file of gates")
        told = json.loads(path.read_text(encoding="utf-8-sig"))
        if not isinstance(told, dict):
            raise GateError('it should look like {"sharpness": {"fail_below": 0.1}}')
        given = [_gate(metric, limits, known) for metric, limits in told.items()]
        return resolve_gates(project=given, identity_backend=identity_backend)
    except OSError as error:
        raise BadInput(f"{path.name} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"{path.name} is not a file of gates: it is no text in UTF-8") from error
    except RecursionError as error:
        raise BadInput(f"{path.name} is not a file of gates: it is nested too deeply") from error
    except (ValueError, OverflowError) as error:
        raise BadInput(f"{path.name} is not a file of gates: {error}") from error


def _gate(metric: str, limits: Any, known: set[str]) -> Gate:
    if not isinstance(limits, dict) or set(limits) - known:
        raise GateError(f"{metric}: the limits are {', '.join(sorted(known))}")
    for name, limit in limits.items():
        if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int | float)):
            raise GateError(f"{metric}: {name} must be a number")
    given: dict[str, Any] = {name: None if limit is None else float(limit) for name, limit in limits.items()}
    return Gate(metric=metric, **given)
