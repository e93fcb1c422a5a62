"""The corpus of seams, repaired from encoded clips to encoded clips at a small size; bench/ records a larger run."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cv2
import pytest

from bench.smoothing_corpus import attempt, improved
from services.smoothing.domain import SSIM_TOLERANCE, Verdict
from services.smoothing.kernels.disturbance import surprises
from tests.support.seams import CORPUS, PHOTOGRAPHS

SIZE = (128, 80)
FRAMES = 28


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[dict[str, Any]]]:
    """Two at a time: decoding, flow and encoding leave the interpreter."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    folders = [tmp_path_factory.mktemp("seam") for _ in CORPUS]
    with ThreadPoolExecutor(2) as pool:
        yield list(
            pool.map(
                lambda pair: attempt(pair[0], pair[1], frames=FRAMES, size=SIZE), zip(CORPUS, folders, strict=True)
            )
        )
    cv2.setNumThreads(threads)


def test_there_are_at_least_30_seams_of_every_kind_and_each_photograph_has_an_origin() -> None:
    assert len(CORPUS) >= 30
    assert {seam.photograph for seam in CORPUS} <= set(PHOTOGRAPHS)
    assert {seam.defect for seam in CORPUS} == {
        "colour step", "exposure step", "jump", "blur step", "identity step", "late disturbance", "jump back in time",
        "spoiled first frames",
    }  # fmt: skip


def test_at_least_24_improve_in_ssim_and_in_the_window(rows: list[dict[str, Any]]) -> None:
    """Plain SSIM at the repaired step, and the visibility of the worst step of the window; both strictly."""
    better = [row for row in rows if row["accepted"] and improved(row, "ssim") and improved(row, "visibility")]
    assert len(better) >= 24


def test_none_comes_out_worse(rows: list[dict[str, Any]]) -> None:
    order = list(Verdict)
    for row in rows:
        if row["accepted"]:
            assert improved(row, "visibility"), row
            assert row["expected_ssim"][1] > row["expected_ssim"][0] - SSIM_TOLERANCE, row
            assert order.index(row["verdict_after"]) <= order.index(row["verdict_before"]), row


def test_the_rest_are_refused_with_numbers_and_leave_no_file(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        assert row["accepted"] != bool(row["refused_because"])
        assert all(any(letter.isdigit() for letter in reason) for reason in row["refused_because"]), row
        assert len(row["files"]) == (0 if not row["accepted"] else row["changed_clips"])


def test_no_accepted_repair_has_a_visible_step_that_was_not_there(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        if row["accepted"]:
            assert row["new_visible_steps"] == [], row


def test_what_is_recommended_is_what_repaired_in_9_of_10(rows: list[dict[str, Any]]) -> None:
    """The method of a row is the one that fits what was planted; by chance another may fit as well."""
    seen = [row for row in rows if row["accepted"] and row["verdict_before"] is not Verdict.GREEN]
    assert sum(row["recommended"] == row["method"] for row in seen) >= 0.9 * len(seen)
    rewound = [row for row in seen if row["seam"].startswith("jump back in time")]
    assert {row["recommended"] for row in rewound} == {"re_extraction"}


def test_late_disturbances_are_found_at_their_frame(rows: list[dict[str, Any]]) -> None:
    late = [row for row in rows if row["planted_at"] > 0]
    assert len(late) >= 5
    assert [row["found_at"] for row in late] == [row["planted_at"] for row in late]


def test_most_kinds_of_defect_can_be_repaired(rows: list[dict[str, Any]]) -> None:
    repaired = {row["seam"].split(" at ")[0] for row in rows if row["accepted"]}
    assert repaired >= {
        "colour step",
        "exposure step",
        "jump",
        "identity step",
        "late disturbance",
        "jump back in time",
    }


@pytest.mark.parametrize("seam", [seam for seam in CORPUS if seam.at > 0], ids=str)
def test_the_offset_of_a_late_disturbance_is_exact_before_any_encoding(seam: Any) -> None:
    frames = [*seam.previous(frames=6, size=SIZE), *seam.next(frames=14, size=SIZE)]
    totals = [step.total for step in surprises(frames=frames)]
    assert totals.index(max(totals)) + 1 - 6 == seam.at
