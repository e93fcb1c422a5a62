"""The commands `boundary` and `smooth`: as functions that return plain data, and as a command line.

    python -m services.smoothing.commands boundary PREVIOUS NEXT [--after LATER] [--window N] [--series] [--json]
    python -m services.smoothing.commands smooth PREVIOUS NEXT --method blend|reextract --out DIR [--frames K] [--json]

`--fields` tells what the JSON says. A clip is an MP4, MOV, MKV or WebM file, or a folder of PNG files. Exit code 0:
measured (whatever the verdict), or repaired; 1: the repair was refused; 2: bad input, one line on stderr.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from services.smoothing.adapters.clips import EncodeError, VideoError
from services.smoothing.domain import DEFAULT_THRESHOLDS, Method, Seam, SeamError, Thresholds, Verdict, judge, where
from services.smoothing.kernels.reextract import DEFAULT_REACH
from services.smoothing.workers.checking import DEFAULT_WINDOW, check
from services.smoothing.workers.repairing import BLEND_FRAMES, Progress, Repair, smooth
from shared.command_line import CLIPS, EXIT_PROBLEM, OneLineParser, add_clip, add_json

EXIT_REFUSED = 1
TOLD_EVERY = 50

METHODS = {"blend": Method.FRAME_BLENDING, "reextract": Method.RE_EXTRACTION}

BOUNDARY = f"""Can the cut from PREVIOUS to NEXT be seen, where is it worst, and what would mend it?

{CLIPS}
Exit code 0: measured, whatever the verdict; 2: bad input."""

SMOOTH = f"""Try to repair the cut from PREVIOUS to NEXT, into new files; the clips themselves stay as they are.

{CLIPS}
A repair is kept only if the seam is better and nothing else is worse.
Exit code 0: repaired; 1: refused, with its numbers; 2: bad input."""

FIELDS = {
    "boundary_ssim_before": "SSIM of the two frames at the cut from PREVIOUS to NEXT; -1 to 1, higher is better",
    "boundary_ssim_after": "the same at the cut from NEXT to LATER; null without --after",
    "verdict": "green, yellow or red; of several seams the worst",
    "recommendation": "nothing, frame_blending, re_extraction or regenerate",
    "reason": "the verdict in words",
    "before": "the seam from PREVIOUS to NEXT",
    "after": "the seam from NEXT to LATER; null without --after. Of a repair: the seam as it is then",
    "ssim": "SSIM of the luma (full range) of two frames that follow each other; -1 to 1, higher is better",
    "expected_ssim": "SSIM against what the motion before and after leads to expect, at the analysis size; -1 to 1, "
    "higher is better",
    "typical_ssim": "median SSIM from frame to frame inside the window, without the cut; -1 to 1",
    "visibility": "surprise of the most visible step divided by the clip's limit; 0 upwards, 1 is the limit, lower is "
    "better",
    "offset": "frames from the cut to the frame that the step leads to; 0 is the first frame of NEXT, negative is "
    "inside PREVIOUS",
    "kind": "appearance (colour, light, focus, content) or motion (place, timing) of the most visible step",
    "cut_visibility": "visibility of the cut itself; 0 upwards, lower is better",
    "limit_levels": "surprise from which on a step is seen in this clip, 8-bit levels; higher if more moves",
    "luminance_step": "change of mean luma at the cut less the clip's trend; -1 to 1 of the range, 0 is best",
    "contrast_step": "change of the standard deviation of luma, likewise; -1 to 1, 0 is best",
    "saturation_step": "change of the mean chroma length, likewise; -1 to 1, 0 is best",
    "repeats_handover": "true if NEXT begins with the frame it was handed; a joined scene shows that frame once",
    "rejoined_share": "surprise at the best pair of frames near the cut as a share of that at the cut; 0 to 1, lower "
    "is better, 1 if no pair joins better; null where the cut is not visible",
    "window": "frames on each side that were asked for",
    "steps": "with --series: every step of the window",
    "levels": "surprise of a step against constant velocity, 8-bit levels; 0 upwards, lower is better",
    "appearance_levels": "the part of it that the step's own motion does not explain, 8-bit levels; lower is better",
    "change_levels": "plain change from frame to frame, 8-bit levels; 0 upwards, says how fast the scene is",
    "accepted": "true if the seam is better and no gate is worse; otherwise nothing is kept",
    "refused_because": "the reasons with their numbers; empty if accepted",
    "method": "frame_blending or re_extraction",
    "changed_frames": "frames that were blended; 0 upwards",
    "dropped_previous": "frames dropped from the end of PREVIOUS; its new last frame is the hand-over frame",
    "dropped_next": "frames dropped from the start of NEXT",
    "previous": "the repaired PREVIOUS; null if it is not changed",
    "next": "the repaired NEXT; null if it is not changed",
}
"""Every field of the JSON output: meaning, unit, range, direction."""


def boundary(
    previous: Path,
    next_: Path,
    *,
    later: Path | None = None,
    window: int = DEFAULT_WINDOW,
    series: bool = False,
    thresholds: Thresholds = DEFAULT_THRESHOLDS,
) -> dict[str, Any]:
    """Measure and judge one seam, or both seams of the middle one of three clips; fields as in FIELDS."""
    seams = {"before": check(previous, next_, window=window, thresholds=thresholds)}
    if later is not None:
        seams["after"] = check(next_, later, window=window, thresholds=thresholds)
    described = {name: described_seam(seam, series=series, thresholds=thresholds) for name, seam in seams.items()}
    worst = max(described.values(), key=lambda each: list(Verdict).index(each["verdict"]))
    return {
        "verdict": worst["verdict"],
        "recommendation": worst["recommendation"],
        "reason": worst["reason"],
        "boundary_ssim_before": seams["before"].ssim,
        "boundary_ssim_after": seams["after"].ssim if later is not None else None,
        "window": window,
        "before": described["before"],
        "after": described.get("after"),
    }


def smoothed(
    previous: Path,
    next_: Path,
    *,
    method: Method,
    out: Path,
    frames: int | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Try one repair; fields as in FIELDS."""
    repair = smooth(previous, next_, method=method, out=out, frames=frames, progress=progress)
    return {
        "accepted": repair.decision.accepted,
        "refused_because": list(repair.decision.reasons),
        "method": repair.method,
        "offset": repair.offset,
        "changed_frames": repair.changed_frames,
        "dropped_previous": repair.dropped_previous,
        "dropped_next": repair.dropped_next,
        "previous": None if repair.previous is None else str(repair.previous),
        "next": None if repair.next is None else str(repair.next),
        "before": described_seam(repair.before),
        "after": described_seam(repair.after),
    }


def described_seam(
    seam: Seam, *, series: bool = False, thresholds: Thresholds = DEFAULT_THRESHOLDS
) -> dict[str, Any]:  # fmt: skip
    judgement = judge(seam, thresholds)
    described: dict[str, Any] = {
        "verdict": judgement.verdict,
        "recommendation": judgement.recommendation,
        "reason": judgement.reason,
        "ssim": seam.ssim,
        "expected_ssim": seam.at(0).expected_ssim,
        "typical_ssim": seam.typical_ssim,
        "visibility": seam.worst_visibility,
        "offset": seam.worst.offset,
        "kind": seam.kind,
        "cut_visibility": seam.visibility(0),
        "limit_levels": seam.limit_levels,
        "luminance_step": seam.luminance_step,
        "contrast_step": seam.contrast_step,
        "saturation_step": seam.saturation_step,
        "repeats_handover": seam.repeats_handover,
        "rejoined_share": seam.rejoined_share,
    }
    if series:
        described["steps"] = [
            {
                "offset": step.offset,
                "visibility": seam.visibility(step.offset),
                "levels": step.levels,
                "appearance_levels": step.appearance_levels,
                "change_levels": step.change_levels,
                "ssim": step.ssim,
                "expected_ssim": step.expected_ssim,
            }
            for step in seam.steps
        ]
    return described


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code; what is wrong with the input is one line on stderr."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except (SeamError, VideoError, EncodeError) as error:
        print(f"{options.command}: {error}", file=sys.stderr)
    except OSError as error:
        print(f"{options.command}: the output cannot be written: {error.strerror}", file=sys.stderr)
    return EXIT_PROBLEM


def _parser() -> argparse.ArgumentParser:
    parser = OneLineParser(prog="rushes", description="Seams between clips.")
    commands = parser.add_subparsers(dest="command", required=True)
    look = commands.add_parser("boundary", description=BOUNDARY)
    add_clip(look, "PREVIOUS", "the clip before the cut")
    add_clip(look, "NEXT", "the clip after the cut")
    look.add_argument("--after", type=Path, metavar="LATER", help="also judge the cut from NEXT to this clip")
    text = "frames on each side of the cut to look at (%(default)s)"
    look.add_argument("--window", type=int, default=DEFAULT_WINDOW, metavar="N", help=text)
    look.add_argument("--series", action="store_true", help="with --json: every step of the window")
    add_json(look, FIELDS)
    look.set_defaults(run=_run_boundary)
    mend = commands.add_parser("smooth", description=SMOOTH)
    add_clip(mend, "PREVIOUS", "the clip before the cut")
    add_clip(mend, "NEXT", "the clip after the cut")
    text = "blend: a motion-compensated cross-fade; reextract: cut where two frames join best, and drop the rest"
    mend.add_argument("--method", choices=METHODS, required=True, help=text)
    text = "folder for the repaired clips; made if it is not there"
    mend.add_argument("--out", type=Path, required=True, metavar="DIR", help=text)
    text = f"frames to blend (as needed, up to {BLEND_FRAMES[-1]}), or to drop at most from each clip ({DEFAULT_REACH})"
    mend.add_argument("--frames", type=int, metavar="K", help=text)
    add_json(mend, FIELDS)
    mend.set_defaults(run=_run_smooth)
    return parser


def _run_boundary(options: argparse.Namespace) -> int:
    report = boundary(
        options.previous, options.next, later=options.after, window=options.window, series=options.series
    )  # fmt: skip
    if options.json:
        print(json.dumps(report, indent=2))
    else:
        for name, heading in (("before", "PREVIOUS to NEXT"), ("after", "NEXT to LATER")):
            if report[name] is not None:
                print(_sentence(heading, report[name]))
    return 0


def _run_smooth(options: argparse.Namespace) -> int:
    method = METHODS[options.method]
    progress = _told if sys.stderr.isatty() else None
    report = smoothed(
        options.previous, options.next, method=method, out=options.out, frames=options.frames, progress=progress
    )
    if progress is not None:
        print(file=sys.stderr)
    if options.json:
        print(json.dumps(report, indent=2))
    else:
        print("\n".join(_repair_lines(report)))
    return 0 if report["accepted"] else EXIT_REFUSED


def _told(done: int, total: int) -> None:
    """One line on the terminal that counts up; nothing where a program reads along."""
    if done % TOLD_EVERY == 0 or done == total:
        print(f"\rencoded {done} of {total} frames ", end="", file=sys.stderr, flush=True)


def _sentence(heading: str, seam: dict[str, Any]) -> str:
    return (
        f"{heading}: {seam['verdict']}, {seam['reason']}\n"
        f"  SSIM {seam['ssim']:.4f} (the clip's own steps {seam['typical_ssim']:.4f}), "
        f"visibility {seam['visibility']:.2f} {where(seam['offset'])}, recommended: {seam['recommendation']}"
    )


def _repair_lines(report: dict[str, Any]) -> list[str]:
    before, after = report["before"], report["after"]
    numbers = (
        f"visibility {before['visibility']:.2f} -> {after['visibility']:.2f}, "
        f"SSIM at the cut {before['ssim']:.4f} -> {after['ssim']:.4f}"
    )
    if not report["accepted"]:
        return [f"refused: {numbers}", *(f"  {reason}" for reason in report["refused_because"])]
    lines = [f"accepted: {numbers}"]
    lines += [f"  {name}: {report[name]}" for name in ("previous", "next") if report[name] is not None]
    if report["method"] == Method.RE_EXTRACTION:
        lines.append(f"  dropped {report['dropped_previous']} frames of PREVIOUS and {report['dropped_next']} of NEXT")
    else:
        lines.append(f"  blended {report['changed_frames']} frames {where(report['offset'])}")
    return lines


__all__ = ["FIELDS", "METHODS", "Repair", "boundary", "described_seam", "main", "smoothed"]

if __name__ == "__main__":
    raise SystemExit(main())
