"""The commands `score`, `compare` and `identity`: as functions that return plain data, and as a command line.

    python -m services.scoring.commands score CLIP [--identity IMAGE]... [--gates FILE] [--series] [--json]
    python -m services.scoring.commands compare REFERENCE CLIP [--range full|native] [--align start|size]... [--json]
    python -m services.scoring.commands identity IMAGE_A IMAGE_B [--json]
    python -m services.scoring.commands identity --status [--json]
    python -m services.scoring.commands fields

A clip is an MP4, MOV, MKV or WebM file, or a folder of PNG pictures. Exit code 0: measured, whatever the verdict; 2:
bad input, or a back-end that is not as the settings ask (`identity --status`), with one line on stderr.
"""

import argparse
import json
import math
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields as fields_of
from pathlib import Path
from typing import Any, NoReturn

from services.scoring.adapters.backends import (
    BackendUnavailable,
    IdentityStatus,
    identity_backend,
    identity_status,
    status_of,
)
from services.scoring.adapters.identity import IdentityBackend
from services.scoring.domain import (
    METRIC_SUITE_VERSION,
    METRICS,
    Expectation,
    Gate,
    GateError,
    Judgement,
    Reading,
    judge,
    resolve_gates,
)
from services.scoring.settings import IdentitySettings
from services.scoring.workers.comparison import HIGHER_IS_BETTER, Align, Comparison, NotComparable, Range, compare
from services.scoring.workers.measurement import MeasurementRequest, Watch, load_image, measure
from shared.video.decode import VideoError

EXIT_PROBLEM = 2
PROGRESS_FROM_FRAMES = 100
PROGRESS_EVERY = 20
MOST_GATES_BYTES = 1024 * 1024


class BadInput(Exception):
    """What was typed or named cannot be used; the message is one line."""


FIELDS: Mapping[str, str] = {
    "verdict": "score: pass, warn or fail; the weakest gate decides",
    "quality_score": "score: 0 to 1, higher is better; falls whenever any gated metric gets worse",
    "metric_suite_version": "score: numbers of different versions are not compared",
    "identity_backend": "score, identity: name and version of what compares faces; numbers of different ones are not "
    "compared",
    "metrics": "by name: the metrics of this clip",
    "value": "the metric's value, in its unit; null with a reason in not_measurable",
    "unit": "of the value",
    "direction": "higher, lower (is better) or two_sided",
    "worst_frame": "where the metric is worst, counted from 0",
    "worst_value": "the value there",
    "worst_region": "x, y, width, height in pixels of the clip: where in that frame it is worst",
    "details": "further numbers of the same metric",
    "note": "one line for people",
    "outcomes": "score: each gate with its verdict, the limit that was crossed, and a sentence",
    "series": "with --series: [frame, value] for every frame",
    **{f"metrics.{name}": f"score: {metric.unit}; better: {metric.direction}" for name, metric in METRICS.items()},
    "frames": "compare: frames compared",
    "left_out": "compare: frames of the longer clip that had no partner; 0 without --align start",
    "resized": "compare: true if the clip was resized to the reference",
    "bits": "compare: of the samples; 255 is the peak of 8 bits, 1023 of 10",
    "range": "compare: full or native, as asked",
    "expanded": "compare: true if a limited-range stream was expanded to the full range before measuring",
    "metrics.ssim": "compare: SSIM of luma, 7x7 uniform window, sample covariance; -1 to 1, higher is better",
    "metrics.ssim_gaussian": "compare: SSIM of luma, Gaussian window (sigma 1.5, 11 taps), population covariance; -1 "
    "to 1, higher is better",
    "metrics.psnr_y": "compare: PSNR of Y in dB, higher is better, null where the planes are equal (infinite); psnr_u "
    "and psnr_v likewise, absent where the two clips have no such planes of one shape",
    "metrics.mse": "compare: mean squared error of luma in squared levels; 0 upwards, lower is better",
    "metrics.mae": "compare: mean absolute error of luma in levels; 0 upwards, lower is better",
    "mean": "compare: mean over the frames; null if infinite",
    "p5": "compare: one frame in twenty is at least as bad; null if infinite",
    "pooled": "compare: PSNR of the mean squared error of all frames; null if infinite",
    "similarity": "identity: likeness of the two pictures' faces as the back-end measures it, higher is more alike",
    "is_identity": "identity: false if the back-end only notices that a look changed",
    "usable": "identity --status: false if nothing can be compared; problem says why",
    "device": "identity --status: cpu or cuda, as asked",
    "providers": "identity --status: by model, what its session really runs on (session.get_providers())",
    "problem": "identity --status: what is missing, or that a model runs on the processor although CUDA was asked for",
    "notice": "identity --status: what the numbers mean, and what the licence of the weights allows",
}
"""Every field of the JSON output: meaning, unit, range, direction."""


def score(
    clip: Path,
    *,
    expected: Expectation,
    identity: Sequence[Path] = (),
    backend: IdentityBackend,
    gates: Mapping[str, Gate],
    sequence_fps: float = 24.0,
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
    described: dict[str, Any] = {
        "unit": {"ssim": "SSIM", "psnr": "dB", "mse": "levels squared", "mae": "levels"}[name.split("_")[0]],
        "direction": "higher" if HIGHER_IS_BETTER[name] else "lower",
        "mean": _finite(track.mean),
        "p5": _finite(track.p5),
        "worst_frame": track.worst_frame,
        "worst_value": _finite(track.values[track.worst_frame]),
        "worst_region": track.region,
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
        told = json.loads(path.read_text(encoding="utf-8"))
        given = [_gate(metric, limits, known) for metric, limits in told.items()]
        return resolve_gates(project=given, identity_backend=identity_backend)
    except OSError as error:
        raise BadInput(f"{path.name} cannot be read: {error.strerror}") from error
    except (ValueError, AttributeError, GateError) as error:
        raise BadInput(f"{path.name} is not a file of gates: {error}") from error


def _gate(metric: str, limits: Any, known: set[str]) -> Gate:
    if not isinstance(limits, dict) or set(limits) - known:
        raise GateError(f"{metric}: the limits are {', '.join(sorted(known))}")
    for name, limit in limits.items():
        if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int | float)):
            raise GateError(f"{metric}: {name} must be a number")
    return Gate(metric=metric, **limits)


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code; what is wrong with the input is one line on stderr."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except (BadInput, NotComparable, VideoError, BackendUnavailable) as error:
        print(f"{options.command}: {error}", file=sys.stderr)
        return EXIT_PROBLEM
    return 0


class _OneLineParser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_PROBLEM, f"{self.prog}: {message}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _OneLineParser(prog="rushes", description="Numbers of clips.")
    commands = parser.add_subparsers(dest="command", required=True)
    scoring = commands.add_parser("score", help="how good is this clip?")
    scoring.add_argument("clip", type=Path, metavar="CLIP")
    scoring.add_argument("--identity", type=Path, action="append", default=[], metavar="IMAGE")
    scoring.add_argument("--expect-frames", type=int, metavar="N")
    scoring.add_argument("--expect-fps", type=float, metavar="F")
    scoring.add_argument("--expect-size", type=_size, metavar="WxH")
    scoring.add_argument("--fps", type=_rate, default=24.0, help="of a folder of pictures (%(default)s)")
    scoring.add_argument("--gates", type=Path, metavar="FILE", help='JSON: {"sharpness": {"fail_below": 0.1}}')
    scoring.set_defaults(run=_run_score)
    comparing = commands.add_parser("compare", help="how far is this clip from that one?")
    comparing.add_argument("reference", type=Path, metavar="REFERENCE")
    comparing.add_argument("clip", type=Path, metavar="CLIP")
    comparing.add_argument("--range", choices=list(Range), default=Range.FULL, help="luma as seen, or as stored")
    text = "start: the frames both have; size: resize CLIP. May be given twice"
    comparing.add_argument("--align", choices=list(Align), action="append", default=[], help=text)
    comparing.set_defaults(run=_run_compare)
    for command in (scoring, comparing):
        command.add_argument("--series", action="store_true", help="with --json: the value of every frame")
    faces = commands.add_parser("identity", help="is this the same person?")
    faces.add_argument("images", type=Path, nargs="*", metavar="IMAGE")
    faces.add_argument("--status", action="store_true", help="which back-end, from which files, on what device")
    faces.set_defaults(run=_run_identity)
    for command in (scoring, comparing, faces):
        command.add_argument("--json", action="store_true", help="print JSON; `fields` explains it")
    commands.add_parser("fields", help="what the JSON fields mean").set_defaults(run=_run_fields)
    return parser


def _size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size such as 832x480")
    return int(found[1]), int(found[2])


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0 < rate <= 1000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a frame rate")
    return rate


def _run_score(options: argparse.Namespace) -> None:
    width, height = options.expect_size or (None, None)
    expected = Expectation(width=width, height=height, frames=options.expect_frames, fps=options.expect_fps)
    report = score(
        options.clip,
        expected=expected,
        identity=options.identity,
        backend=(backend := _backend()),
        gates=gates_of(options.gates, identity_backend=backend.kind.name),
        sequence_fps=options.fps,
        series=options.series,
        progress=_progress,
    )
    if options.json:
        print(json.dumps(report, indent=2))
        return
    quality = "unknown" if report["quality_score"] is None else f"{report['quality_score']:.3f}"
    print(f"{report['verdict']}, quality {quality}")
    for name, reading in report["metrics"].items():
        if reading["value"] is None:
            print(f"  {name:20} -         {reading['not_measurable']}")
        else:
            print(f"  {name:20} {reading['value']:<9.4g} {reading['unit']}")
    for outcome in report["outcomes"]:
        if outcome["verdict"] != "pass":
            print(f"  {outcome['verdict']}: {outcome['message']}")


def _run_compare(options: argparse.Namespace) -> None:
    report = compared(
        options.reference,
        options.clip,
        range_=Range(options.range),
        align=frozenset(Align(each) for each in options.align),
        series=options.series,
        progress=_progress,
    )
    if options.json:
        print(json.dumps(report, indent=2))
        return
    expanded = ", limited range expanded" if report["expanded"] else ""
    print(f"{report['frames']} frames of {report['width']}x{report['height']}, {report['bits']} bits{expanded}")
    print(f"  {'metric':14} {'mean':>10} {'p5':>10} {'worst':>10}  at frame, region")
    for name, found in report["metrics"].items():
        numbers = " ".join(f"{_number(found[key]):>10}" for key in ("mean", "p5", "worst_value"))
        print(f"  {name:14} {numbers}  {found['worst_frame']}, {found['worst_region']}")


def _number(value: float | None) -> str:
    return "inf" if value is None else f"{value:.5g}"


def _backend() -> IdentityBackend:
    """The one that the settings choose; that it does not run where it was asked to is said, on stderr."""
    choice = IdentitySettings().choice()
    backend = identity_backend(choice)
    if problem := status_of(backend, choice.device).problem:
        print(f"identity: {problem}", file=sys.stderr)
    return backend


def _run_identity(options: argparse.Namespace) -> None:
    if options.status:
        _print_status(identity_status(IdentitySettings().choice()), as_json=options.json)
        return
    if len(options.images) != 2:
        raise BadInput("two pictures are compared; or ask for --status")
    report = alike(options.images[0], options.images[1], backend=_backend())
    if options.json:
        print(json.dumps(report, indent=2))
    else:
        print(f"{report['similarity']:.4f} ({report['name']} {report['version']})")
        print(report["notice"])


def _print_status(status: IdentityStatus, *, as_json: bool) -> None:
    """Raises BadInput after it has been printed, if it is not as it was asked to be: a script needs no eyes."""
    described = status.described()
    if as_json:
        print(json.dumps(described, indent=2))
    else:
        for name, value in described.items():
            models = value.items() if isinstance(value, dict) else ()
            text = "; ".join(f"{model} on {', '.join(on)}" for model, on in models) if models else value or "-"
            print(f"{name:12} {text}")
    if status.problem:
        raise BadInput(status.problem)


def _run_fields(options: argparse.Namespace) -> None:
    del options
    width = max(map(len, FIELDS))
    print("\n".join(f"{name:{width}}  {meaning}" for name, meaning in FIELDS.items()))


def _progress(done: int, total: int) -> None:
    """On stderr, for clips that take a while, and only where a person is watching."""
    if total >= PROGRESS_FROM_FRAMES and sys.stderr.isatty() and (done % PROGRESS_EVERY == 0 or done == total):
        print(f"\r{done} of {total} frames", end="\n" if done == total else "", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
