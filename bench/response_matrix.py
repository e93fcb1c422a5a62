"""Which metric responds to which defect, on real clips: what is declared, and what is measured.

    python -m bench response_matrix

Writes bench/results/response_matrix.json (every value) and .md (the table). Clips and defects are made by
tests/support/degrading.py; the declaration, and what "must" and "must not" mean, are in tests/support/response.py, and
tests/integration/scoring/test_response_matrix.py holds every change against them.
"""

import json
import os
from dataclasses import asdict
from pathlib import Path
from statistics import median

from tests.support.degrading import DEFECTS, FPS, FRAMES, SIZE, SOURCES
from tests.support.response import (
    MUST,
    MUST_NOT,
    RECOGNISER_MUST,
    RECOGNISER_MUST_NOT,
    Responses,
    kendall_tau,
    recogniser,
    recogniser_responses,
    responses,
)
from tests.support.seams import PHOTOGRAPHS

RESULTS = Path(__file__).parent / "results"
WAYS = {1: "must rise", -1: "must fall", 0: "must move"}


def declared(defect: str, metric: str) -> str:
    if metric in MUST_NOT[defect]:
        return "must not"
    return WAYS[MUST[defect][metric]] if metric in MUST[defect] else "free"


def line(clips: list[Responses], defect: str, metric: str, name: str, problems: list[str]) -> str:
    """Medians over the clips that were asked: the clean value, the noise, and the move at each strength."""
    asked = [clip for clip in clips if clip.clean[metric] is not None]
    moves = [clip.moves(defect, metric) for clip in asked]
    taus = [kendall_tau([move for move in each if move is not None]) for each in moves if None not in each]
    steps = [[each[k] for each in moves if each[k] is not None] for k in range(len(DEFECTS[defect].strengths))]
    shown = " | ".join(f"{median(step):+.3g}" if step else "-" for step in steps)  # type: ignore[type-var]
    clean = median(value for clip in asked if (value := clip.clean[metric]) is not None)
    noise = median(clip.noise(metric) for clip in asked)
    tau = f"{median(taus):+.1f}" if taus else "-"
    outcome = f"{len(asked) - len(problems)} of {len(asked)}" if name != "free" else ""
    return f"| {metric} | {name} | {outcome} | {tau} | {clean:.3g} | {noise:.2g} | {shown} |"


def table(clips: list[Responses], defect: str) -> list[str]:
    about = DEFECTS[defect]
    strengths = " | ".join(f"{strength:g}" for strength in about.strengths)
    lines = [f"## {defect}", "", f"Strength: {about.unit}.", ""]
    lines += [f"| metric | declared | agree | tau | clean | noise | {strengths} |", "|---" * 11 + "|"]
    metrics = [name for name in clips[0].clean if any(clip.clean[name] is not None for clip in clips)]
    groups = ("must rise", "must fall", "must move", "must not", "free")
    for metric in sorted(metrics, key=lambda name: groups.index(declared(defect, name))):
        problems = [p for clip in clips if (p := clip.broken(defect, metric))]
        lines.append(line(clips, defect, metric, declared(defect, metric), problems))
    return [*lines, ""]


def recognised(found: Responses) -> list[str]:
    metric = "identity_similarity"
    lines = ["## A recogniser (the pair of ONNX files), on the clip with a face", ""]
    lines += ["| defect | declared | clean | noise | strengths 1 to 5 |", "|---" * 5 + "|"]
    for defect in (*RECOGNISER_MUST, *RECOGNISER_MUST_NOT):
        name = "must fall" if defect in RECOGNISER_MUST else "must not"
        moves = ", ".join("-" if move is None else f"{move:+.3g}" for move in found.moves(defect, metric))
        lines.append(f"| {defect} | {name} | {found.clean[metric]:.3g} | {found.noise(metric):.2g} | {moves} |")
    return [*lines, ""]


def text(clips: list[Responses], face: Responses | None) -> str:
    problems = [
        f"{clip.source}, {defect}: {metric} {problem}"
        for defect in DEFECTS
        for clip in clips
        for metric in (*MUST[defect], *MUST_NOT[defect])
        if (problem := clip.broken(defect, metric))
    ]
    lines = [
        "# Which metric responds to which defect",
        "",
        f"{len(clips)} clips of {SIZE[0]}x{SIZE[1]}, {FRAMES} frames at {FPS} fps, H.264, each spoiled in "
        f"{len(DEFECTS)} ways at 5 strengths. Made by `python -m bench response_matrix`.",
        "",
        "`must`: with every strength the metric goes on in that direction, or back by no more than its noise, and ends "
        "farther away than its noise. `must not`: it stays within its noise, or within the smallest move that the "
        "regression service counts. Noise: twice the farthest that encoding the clean clip otherwise (two presets, two "
        "qualities) or invisible grain (two seeds) moves it. Values, noise and moves are medians over the clips; tau "
        "is Kendall's, of the moves against the strengths.",
        "",
        f"Clips that disagree with the declaration: {len(problems)}." if problems else "Every clip agrees.",
        *(f"* {problem}" for problem in problems),
        "",
    ]
    for defect in DEFECTS:
        lines += table(clips, defect)
    if face is not None:
        lines += recognised(face)
    lines += ["Clips, from photographs that ship with scikit-image:", ""]
    lines += [f"* {name}: {PHOTOGRAPHS[source.photograph]}" for name, source in SOURCES.items()]
    return "\n".join([*lines, ""])


def main() -> None:
    clips = responses(processes=os.cpu_count() or 1)
    choice = recogniser()
    face = None if choice is None else recogniser_responses(choice)
    RESULTS.mkdir(exist_ok=True)
    every = {"clips": [asdict(clip) for clip in clips], "recogniser": None if face is None else asdict(face)}
    (RESULTS / "response_matrix.json").write_text(_lines(_rounded(every)) + "\n")
    (RESULTS / "response_matrix.md").write_text(text(clips, face))
    print(text(clips, face))


def _lines(value: object, depth: int = 0) -> str:
    """JSON with one line per clip, defect and strength."""
    if depth == 5 or not isinstance(value, dict | list):
        return json.dumps(value)
    if isinstance(value, dict):
        inside = [f"{json.dumps(key)}: {_lines(each, depth + 1)}" for key, each in value.items()]
        return "{" + ",\n".join(inside) + "}"
    return "[" + ",\n".join(_lines(each, depth + 1) for each in value) + "]"


def _rounded(value: object) -> object:
    """Five digits are enough, and keep the file from changing with the last bits of a machine."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    return [_rounded(each) for each in value] if isinstance(value, list | tuple) else value


if __name__ == "__main__":
    main()
