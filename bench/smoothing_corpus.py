"""Every seam of the corpus is repaired, from encoded clips to encoded clips, and the table is recorded.

    python -m bench smoothing_corpus

Writes bench/results/smoothing_corpus.json and .md. The corpus, with origin and licence of every photograph, is made by
tests/support/seams.py.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

import cv2

from services.smoothing.domain import judge
from services.smoothing.workers.repairing import smooth
from tests.support.seams import CORPUS, PHOTOGRAPHS, Seam

RESULTS = Path(__file__).parent / "results"
SIZE = (416, 240)
FRAMES = 48


def attempt(seam: Seam, folder: Path, *, frames: int, size: tuple[int, int]) -> dict[str, Any]:
    """One repair, with the numbers before and after."""
    previous, next_ = seam.clips(folder, frames=frames, size=size)
    repair = smooth(previous, next_, method=seam.method, out=folder / "out")
    before, after, at = repair.before, repair.after, repair.offset
    return {
        "seam": str(seam),
        "method": seam.method,
        "verdict_before": judge(before).verdict,
        "recommended": judge(before).recommendation,
        "verdict_after": judge(after).verdict,
        "accepted": repair.decision.accepted,
        "refused_because": list(repair.decision.reasons),
        "found_at": before.worst.offset,
        "planted_at": seam.at,
        "visibility": [before.worst_visibility, after.worst_visibility],
        "ssim": [before.at(at).ssim, after.at(at).ssim],
        "expected_ssim": [before.at(at).expected_ssim, after.at(at).expected_ssim],
        "typical_ssim": before.typical_ssim,
        "changed_frames": repair.changed_frames,
        "dropped": [repair.dropped_previous, repair.dropped_next],
        "new_visible_steps": [
            step.offset
            for step in after.steps
            if after.visibility(step.offset) >= 1.0 and step.levels > before.at(step.offset).levels + 0.5
        ],
        "changed_clips": sum(path is not None for path in (repair.previous, repair.next)),
        "files": sorted(path.name for path in (folder / "out").glob("*")),
    }


def improved(row: dict[str, Any], metric: str) -> bool:
    """Strictly: higher for an SSIM, lower for visibility."""
    before, after = row[metric]
    return bool(after < before if metric == "visibility" else after > before)


def table(rows: list[dict[str, Any]], *, frames: int, size: tuple[int, int]) -> str:
    accepted = [row for row in rows if row["accepted"]]
    both = sum(improved(row, "visibility") and improved(row, "ssim") for row in accepted)
    compensated = sum(improved(row, "visibility") and improved(row, "expected_ssim") for row in accepted)
    late = [row for row in rows if row["planted_at"] > 0]
    lines = [
        "# Repairing the corpus of seams",
        "",
        f"{len(rows)} seams, {size[0]}x{size[1]}, {frames} frames per clip, H.264 in and out. Made by "
        "`python -m bench smoothing_corpus`.",
        "",
        f"* accepted {len(accepted)}, refused {len(rows) - len(accepted)}",
        f"* of the accepted, {both} improve in plain SSIM and in the window, {compensated} in motion-compensated SSIM "
        "and in the window",
        f"* late disturbances found at their frame: {sum(row['found_at'] == row['planted_at'] for row in late)} of "
        f"{len(late)}",
        "",
        "Visibility 1 is the limit of the clip, lower is better. SSIM at the repaired step, higher is better. "
        "Changed: frames blended, or dropped from the earlier + later clip.",
        "",
        "| seam | method | found at | visibility | SSIM | compensated SSIM | clip's own SSIM | changed | outcome |",
        "|---|---|---|---|---|---|---|---|---|",
        *(_line(row) for row in rows),
        "",
        "Photographs, all shipped with scikit-image:",
        "",
        *(f"* {name}: {origin}" for name, origin in PHOTOGRAPHS.items()),
        "",
    ]
    return "\n".join(lines)


def _line(row: dict[str, Any]) -> str:
    (v0, v1), (s0, s1), (e0, e1) = row["visibility"], row["ssim"], row["expected_ssim"]
    changed = row["changed_frames"] or "{} + {}".format(*row["dropped"])
    outcome = f"{row['verdict_before']} → {row['verdict_after']}"
    if not row["accepted"]:
        outcome = f"refused: {'; '.join(row['refused_because'])}"
    return (
        f"| {row['seam']} | {row['method']} | {row['found_at']} | {v0:.2f} → {v1:.2f} | {s0:.4f} → {s1:.4f} | "
        f"{e0:.4f} → {e1:.4f} | {row['typical_ssim']:.4f} | {changed} | {outcome} |"
    )


def main() -> None:
    cv2.setNumThreads(1)
    rows = []
    for seam in CORPUS:
        with tempfile.TemporaryDirectory() as folder:
            rows.append(attempt(seam, Path(folder), frames=FRAMES, size=SIZE))
        print(_line(rows[-1]), flush=True)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "smoothing_corpus.json").write_text(json.dumps(rows, indent=2) + "\n")
    (RESULTS / "smoothing_corpus.md").write_text(table(rows, frames=FRAMES, size=SIZE))


if __name__ == "__main__":
    main()
