"""The command line: what is typed, and what people read."""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from services.scoring.adapters.backends import (
    BackendUnavailable,
    IdentityStatus,
    identity_backend,
    identity_status,
    status_of,
)
from services.scoring.adapters.identity import IdentityBackend
from services.scoring.commands.arguments import count, rate, seconds, size
from services.scoring.commands.fields import FIELDS
from services.scoring.commands.reports import BadInput, alike, compared, drifted, gates_of, score
from services.scoring.domain import BackendChoice, Expectation
from services.scoring.settings import IdentitySettings
from services.scoring.workers.comparison import Align, NotComparable, Range
from services.scoring.workers.meters import FREEZE_SECONDS
from shared.command_line import CLIPS, EXIT_PROBLEM, OneLineParser, add_clip, add_json
from shared.video.decode import VideoError

SCORE = f"""How good is this clip, without another one to compare it with?

{CLIPS}
Every metric is held against its limits; one that fails names the frame and the region where it is worst.
Exit code 0: measured, whatever the verdict; 2: bad input."""

COMPARE = f"""How far is CLIP from REFERENCE, frame by frame: SSIM, PSNR of Y, U and V, MSE, MAE?

{CLIPS}
Another size or number of frames is refused unless --align says how.
Exit code 0: measured; 2: bad input."""

DRIFT = f"""How far have the clips of a chain moved from the first one, and at which segment will they cross a limit?

{CLIPS}
Exit code 0: measured; 2: bad input."""

IDENTITY = """Do two pictures show the same person?

RUSHES_FACE_MODELS and the SCORING_IDENTITY_ settings choose what compares them; --status says what that is.
Exit code 0: compared; 2: bad input."""

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


def _parser() -> argparse.ArgumentParser:
    parser = OneLineParser(prog="rushes", description="Numbers of clips.")
    commands = parser.add_subparsers(dest="command", required=True)
    _add_score(commands)
    _add_compare(commands)
    _add_drift(commands)
    _add_identity(commands)
    return parser


def _add_score(commands: "argparse._SubParsersAction[OneLineParser]") -> None:
    command = commands.add_parser("score", description=SCORE)
    add_clip(command, "CLIP", "the clip to measure")
    command.add_argument("--expect-frames", type=count, metavar="N", help="how many frames it should have")
    command.add_argument("--expect-fps", type=rate, metavar="F", help="how many frames a second it should have")
    command.add_argument("--expect-size", type=size, metavar="WxH", help="how large it should be, as 832x480")
    text = "how long a picture must stand still to be frozen (%(default)s)"
    command.add_argument("--freeze-seconds", type=seconds, default=FREEZE_SECONDS, metavar="S", help=text)
    _add_judging(command)
    command.add_argument("--series", action="store_true", help="with --json: the value of every frame")
    add_json(command, FIELDS)
    command.set_defaults(run=_run_score)


def _add_compare(commands: "argparse._SubParsersAction[OneLineParser]") -> None:
    command = commands.add_parser("compare", description=COMPARE)
    add_clip(command, "REFERENCE", "what it should look like")
    add_clip(command, "CLIP", "the clip to measure")
    text = "luma as it is seen (full), or as it is stored (native) (%(default)s)"
    command.add_argument("--range", choices=list(Range), default=Range.FULL, help=text)
    text = "start: compare the frames both have; size: resize CLIP to REFERENCE. May be given twice"
    command.add_argument("--align", choices=list(Align), action="append", default=[], help=text)
    command.add_argument("--series", action="store_true", help="with --json: the value of every frame")
    add_json(command, FIELDS)
    command.set_defaults(run=_run_compare)


def _add_drift(commands: "argparse._SubParsersAction[OneLineParser]") -> None:
    command = commands.add_parser("drift", description=DRIFT)
    command.add_argument("clips", type=Path, nargs="+", metavar="CLIP", help="the segments of a chain, in order")
    _add_judging(command)
    add_json(command, FIELDS)
    command.set_defaults(run=_run_drift)


def _add_judging(command: OneLineParser) -> None:
    text = "a picture of who should be seen; may be given more than once, the likest one counts"
    command.add_argument("--identity", type=Path, action="append", default=[], metavar="IMAGE", help=text)
    text = "frames a second of a folder of pictures (%(default)s)"
    command.add_argument("--fps", type=rate, default=24.0, metavar="F", help=text)
    text = """limits of your own in place of the built-in ones, as JSON: {"sharpness": {"fail_below": 0.1}}"""
    command.add_argument("--gates", type=Path, metavar="FILE", help=text)


def _add_identity(commands: "argparse._SubParsersAction[OneLineParser]") -> None:
    command = commands.add_parser("identity", description=IDENTITY)
    command.add_argument("images", type=Path, nargs="*", metavar="IMAGE", help="two pictures, a face in each")
    text = (
        "which back-end compares faces, from which files, on which device; exit code 2 if it is not as the settings ask"
    )
    command.add_argument("--status", action="store_true", help=text)
    add_json(command, FIELDS)
    command.set_defaults(run=_run_identity)


def _run_score(options: argparse.Namespace) -> None:
    width, height = options.expect_size or (None, None)
    expected = Expectation(width=width, height=height, frames=options.expect_frames, fps=options.expect_fps)
    with _backend() as backend:
        report = score(
            options.clip,
            expected=expected,
            identity=options.identity,
            backend=backend,
            gates=gates_of(options.gates, identity_backend=backend.kind.name),
            sequence_fps=options.fps,
            freeze_seconds=options.freeze_seconds,
            series=options.series,
            progress=_progress,
        )
    if options.json:
        _print_json(report)
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
        _print_json(report)
        return
    expanded = ", limited range expanded" if report["expanded"] else ""
    print(f"{report['frames']} frames of {report['width']}x{report['height']}, {report['bits']} bits{expanded}")
    print(f"  {'metric':14} {'mean':>10} {'p5':>10} {'worst':>10}  at frame, region")
    for name, found in report["metrics"].items():
        numbers = " ".join(f"{_number(found[key]):>10}" for key in ("mean", "p5", "worst_value"))
        where = "-" if found["worst_frame"] is None else f"{found['worst_frame']}, {found['worst_region']}"
        print(f"  {name:14} {numbers}  {where}")


def _run_drift(options: argparse.Namespace) -> None:
    with _backend() as backend:
        report = drifted(
            options.clips,
            identity=options.identity,
            backend=backend,
            gates=gates_of(options.gates, identity_backend=backend.kind.name),
            sequence_fps=options.fps,
            progress=_progress,
        )
    if options.json:
        _print_json(report)
        return
    positions = [segment["position"] for segment in report["segments"]]
    for name, found in report["metrics"].items():
        values = {each["position"]: f"{each['value']:.3g}" for each in found["values"]}
        print(f"{name:15} {' '.join(f'{values.get(at, chr(45)):>7}' for at in positions)}   {found['outlook']}")
        for reason in dict.fromkeys(each["reason"] for each in found["not_measurable"]):
            print(f"{'':15} - {reason}")


def _print_json(report: Mapping[str, Any]) -> None:
    """What JSON has no word for would be a fault of ours; a program that reads along must not be the one to find it."""
    print(json.dumps(report, indent=2, allow_nan=False))


def _number(value: float | None) -> str:
    return "inf" if value is None else f"{value:.5g}"


@contextmanager
def _backend() -> Iterator[IdentityBackend]:
    """The one that the settings choose; that it does not run where it was asked to is said, on stderr, once it has done
    what it was asked for: bad input is one line."""
    choice = _choice()
    backend = identity_backend(choice)
    yield backend
    if problem := status_of(backend, choice.device).problem:
        print(f"identity: {problem}", file=sys.stderr)


def _choice() -> BackendChoice:
    try:
        return IdentitySettings().choice()
    except ValidationError as error:
        first = error.errors()[0]
        raise BadInput(f"{first['loc'][0]}: {first['msg']}") from error


def _run_identity(options: argparse.Namespace) -> None:
    if options.status and options.images:
        raise BadInput("--status compares no pictures; leave them out")
    if options.status:
        _print_status(identity_status(_choice()), as_json=options.json)
        return
    if len(options.images) != 2:
        raise BadInput("two pictures are compared; or ask for --status")
    with _backend() as backend:
        report = alike(options.images[0], options.images[1], backend=backend)
    if options.json:
        _print_json(report)
    else:
        print(f"{report['similarity']:.4f} ({report['name']} {report['version']})")
        print(report["notice"])


def _print_status(status: IdentityStatus, *, as_json: bool) -> None:
    """Raises BadInput after it has been printed, if it is not as it was asked to be: a script needs no eyes."""
    described = status.described()
    if as_json:
        _print_json(described)
    else:
        for name, value in described.items():
            models = value.items() if isinstance(value, dict) else ()
            plain = ("yes" if value else "no") if isinstance(value, bool) else value or "-"
            text = "; ".join(f"{model} on {', '.join(on)}" for model, on in models) or plain
            print(f"{name:12} {text}")
    if status.problem:
        raise BadInput(status.problem)


def _progress(done: int, total: int) -> None:
    """On stderr, for clips that take a while, and only where a person is watching."""
    if total >= PROGRESS_FROM_FRAMES and sys.stderr.isatty() and (done % PROGRESS_EVERY == 0 or done == total):
        print(f"\r{done} of {total} frames", end="\n" if done == total else "", file=sys.stderr, flush=True)
