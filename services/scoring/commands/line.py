"""The command line: what is typed, and what people read."""

import argparse
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from services.scoring.adapters.backends import (
    BackendUnavailable,
    IdentityStatus,
    identity_backend,
    identity_status,
    status_of,
)
from services.scoring.adapters.identity import IdentityBackend
from services.scoring.commands.fields import FIELDS
from services.scoring.commands.reports import BadInput, alike, compared, drifted, gates_of, score
from services.scoring.domain import Expectation
from services.scoring.settings import IdentitySettings
from services.scoring.workers.comparison import Align, NotComparable, Range
from services.scoring.workers.meters import FREEZE_SECONDS
from shared.video.decode import VideoError

EXIT_PROBLEM = 2
PROGRESS_FROM_FRAMES = 100
PROGRESS_EVERY = 20


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
    scoring.add_argument("--expect-frames", type=int, metavar="N")
    scoring.add_argument("--expect-fps", type=float, metavar="F")
    scoring.add_argument("--expect-size", type=_size, metavar="WxH")
    text = "how long a picture must stand still to be frozen (%(default)s)"
    scoring.add_argument("--freeze-seconds", type=_seconds, default=FREEZE_SECONDS, metavar="S", help=text)
    scoring.set_defaults(run=_run_score)
    comparing = commands.add_parser("compare", help="how far is this clip from that one?")
    comparing.add_argument("reference", type=Path, metavar="REFERENCE")
    comparing.add_argument("clip", type=Path, metavar="CLIP")
    comparing.add_argument("--range", choices=list(Range), default=Range.FULL, help="luma as seen, or as stored")
    text = "start: the frames both have; size: resize CLIP. May be given twice"
    comparing.add_argument("--align", choices=list(Align), action="append", default=[], help=text)
    comparing.set_defaults(run=_run_compare)
    drifting = commands.add_parser("drift", help="how far have these clips moved from the first one?")
    drifting.add_argument("clips", type=Path, nargs="+", metavar="CLIP")
    drifting.set_defaults(run=_run_drift)
    for command in (scoring, drifting):
        command.add_argument("--identity", type=Path, action="append", default=[], metavar="IMAGE")
        command.add_argument("--fps", type=_rate, default=24.0, help="of a folder of pictures (%(default)s)")
        command.add_argument("--gates", type=Path, metavar="FILE", help='JSON: {"sharpness": {"fail_below": 0.1}}')
    for command in (scoring, comparing):
        command.add_argument("--series", action="store_true", help="with --json: the value of every frame")
    faces = commands.add_parser("identity", help="is this the same person?")
    faces.add_argument("images", type=Path, nargs="*", metavar="IMAGE")
    faces.add_argument("--status", action="store_true", help="which back-end, from which files, on what device")
    faces.set_defaults(run=_run_identity)
    for command in (scoring, comparing, drifting, faces):
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


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 3600:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return seconds


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
        freeze_seconds=options.freeze_seconds,
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


def _run_drift(options: argparse.Namespace) -> None:
    backend = _backend()
    report = drifted(
        options.clips,
        identity=options.identity,
        backend=backend,
        gates=gates_of(options.gates, identity_backend=backend.kind.name),
        sequence_fps=options.fps,
        progress=_progress,
    )
    if options.json:
        print(json.dumps(report, indent=2))
        return
    positions = [segment["position"] for segment in report["segments"]]
    for name, found in report["metrics"].items():
        values = {each["position"]: f"{each['value']:.3g}" for each in found["values"]}
        print(f"{name:15} {' '.join(f'{values.get(at, chr(45)):>7}' for at in positions)}   {found['outlook']}")
        for reason in dict.fromkeys(each["reason"] for each in found["not_measurable"]):
            print(f"{'':15} - {reason}")


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
