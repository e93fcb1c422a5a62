"""Files that are no clips, and clips that are no usual ones: each is measured or refused in one line; nothing falls."""

import json
from collections.abc import AsyncIterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from services.scoring.commands import main
from services.scoring.domain import Expectation, Measurement
from services.scoring.workers.measurement import MeasurementRequest
from services.scoring.workers.pool import ProcessPool
from shared.media import MediaStore
from shared.postgres import Database
from shared.video.decode import png_bytes
from shared.video.encode import encode_h264
from tests.support.bad_files import BAD, bad_files
from tests.support.clips import Rgb, camera, clip, lossless, noted_as_turned, photograph
from tests.support.events import segment_generated
from tests.support.scoring import Scoring

SIZE, FRAMES = (192, 128), 10
MEMORY_LIMIT_BYTES = 4096 * 2**20
"""What a measuring process may have by default (SCORING_MEMORY_LIMIT_MIB)."""
DEADLINE_SECONDS = 300
"""Only for what hangs: on a new machine the first clip waits until its kernels are compiled, a minute if it is busy."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    clip(folder / "good.mp4", camera(photograph("coffee"), frames=FRAMES, size=SIZE))
    bad_files(folder, folder / "good.mp4")
    return folder


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("command", ["score", "compare", "compare with"])
def test_what_is_no_clip_is_one_line_and_exit_code_2(
    command: str, name: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad, good = str(folder / name), str(folder / "good.mp4")
    arguments = {"score": ["score", bad], "compare": ["compare", bad, good], "compare with": ["compare", good, bad]}
    assert main([*arguments[command], "--json"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert BAD[name][0] in printed.err
    assert str(folder) not in printed.err


@pytest.fixture
async def pool() -> AsyncIterator[ProcessPool]:
    pool = ProcessPool(size=1, deadline_seconds=DEADLINE_SECONDS, memory_limit_bytes=MEMORY_LIMIT_BYTES)
    yield pool
    await pool.stop()


async def test_the_service_answers_every_bad_file_with_its_reason_and_goes_on(
    scoring_database: Database, media: MediaStore, pool: ProcessPool, folder: Path
) -> None:
    scoring = Scoring(scoring_database, media, pool=pool)
    names = [*BAD, "good.mp4"]
    for number, name in enumerate(names, start=1):
        sha256 = await media.put_file(folder / name)
        await scoring.deliver(segment_generated(segment_id=number, clip_sha256=sha256))
    await scoring.work()
    said = {names[event.segment_id - 1]: event for event in await scoring.said()}
    for name, (says, _) in BAD.items():
        assert said[name].status == "not_measurable", name
        assert says in (said[name].not_measurable or ""), name
        assert said[name].gate_verdict == "fail", name
    assert said["good.mp4"].status == "measured"
    assert await scoring_database.fetchval("SELECT max(crashes) FROM measurements") == 0


def scored(path: Path, *arguments: str, capsys: pytest.CaptureFixture[str]) -> Any:
    assert main(["score", str(path), *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)["metrics"]


def encoded(path: Path, codec: str, frames: list[Rgb], pix_fmt: str = "yuv420p", **options: str) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(16), options=options)
        stream.width, stream.height, stream.pix_fmt = frames[0].shape[1], frames[0].shape[0], pix_fmt
        for picture in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format=pix_fmt)))
        container.mux(stream.encode(None))
    return path


def pictures(folder: Path, frames: list[Rgb]) -> Path:
    folder.mkdir()
    for number, picture in enumerate(frames):
        (folder / f"{number}.png").write_bytes(png_bytes(picture))
    return folder


@pytest.mark.parametrize(
    "kind", ["webm vp9", "mkv ffv1 10 bit", "mkv ffv1 rgb", "mkv h264 10 bit", "odd mkv", "pictures", "odd pictures"]
)
def test_every_kind_of_clip_has_every_number(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    size = (191, 127) if "odd" in kind else SIZE
    frames = list(camera(photograph("coffee"), frames=FRAMES, size=size))
    path = {
        "webm vp9": lambda: encoded(tmp_path / "clip.webm", "libvpx-vp9", frames, crf="20", b="0", cpu_used="8"),
        "mkv ffv1 10 bit": lambda: lossless(tmp_path / "clip.mkv", frames, "yuv420p10le"),
        "mkv ffv1 rgb": lambda: lossless(tmp_path / "clip.mkv", frames, "bgr0"),
        "mkv h264 10 bit": lambda: encoded(tmp_path / "clip.mkv", "libx264", frames, "yuv422p10le", preset="veryfast"),
        "odd mkv": lambda: lossless(tmp_path / "clip.mkv", frames, "yuv420p"),
        "pictures": lambda: pictures(tmp_path / "clip", frames),
        "odd pictures": lambda: pictures(tmp_path / "clip", frames),
    }[kind]()
    wanted = ("--expect-frames", str(FRAMES), "--expect-size", f"{size[0]}x{size[1]}")
    metrics = scored(path, *wanted, "--fps", "16", "--expect-fps", "16", capsys=capsys)
    usual = clip(tmp_path / "usual.mp4", camera(photograph("coffee"), frames=FRAMES, size=SIZE))
    same = scored(usual, capsys=capsys)
    assert metrics["matches_request"]["value"] == 1.0, metrics["matches_request"]["note"]
    assert {name for name, reading in metrics.items() if reading["value"] is None} == {
        name for name, reading in same.items() if reading["value"] is None
    }
    for name, tolerance in (("exposure", 0.01), ("motion", 0.005), ("frozen_frames", 0), ("cuts", 0)):
        assert metrics[name]["value"] == pytest.approx(same[name]["value"], abs=tolerance), name


@pytest.mark.parametrize("quarter_turns", [1, 2, 3])
def test_a_clip_that_is_stored_turned_is_scored_as_players_show_it(
    quarter_turns: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A white spot goes down the right side of the picture that players show; regions are those of that picture."""
    frames = [frame.copy() for frame in camera(photograph("coffee"), frames=FRAMES, size=SIZE)]
    frames[4][84:108, 160:184] = 255
    stored = (np.ascontiguousarray(np.rot90(frame, 4 - quarter_turns)) for frame in frames)
    noted_as_turned(clip(tmp_path / "stored.mp4", stored), tmp_path / "turned.mp4", quarter_turns)
    metrics = scored(tmp_path / "turned.mp4", "--expect-size", f"{SIZE[0]}x{SIZE[1]}", capsys=capsys)
    assert metrics["matches_request"]["value"] == 1.0
    left, top, width, height = metrics["clipping"]["worst_region"]
    assert metrics["clipping"]["worst_frame"] == 4
    assert left <= 172 <= left + width and top <= 96 <= top + height


def test_one_frame_is_scored_and_what_needs_more_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    path = clip(tmp_path / "one.mp4", camera(photograph("coffee"), frames=1, size=SIZE))
    metrics = scored(path, capsys=capsys)
    assert metrics["sharpness"]["value"] > 0
    for name in ("motion", "motion_jump", "warping_error", "flicker", "temporal_flicker", "cuts"):
        assert "needs at least" in metrics[name]["not_measurable"], name
    assert main(["compare", str(path), str(path)]) == 0


async def test_8k_is_measured_within_the_memory_of_a_measuring_process(tmp_path: Path, pool: ProcessPool) -> None:
    """It may not have more than its limit: of frames with 33 million pixels it holds a handful."""
    still = next(camera(photograph("coffee"), frames=1, size=(7680, 4320)))
    path, frames = tmp_path / "8k.mp4", 5
    encode_h264(path, (np.roll(still, 16 * shift, axis=1) for shift in range(frames)), fps=16, preset="ultrafast")
    expected = Expectation(width=7680, height=4320, frames=frames)
    answer = await pool.measure(MeasurementRequest(clip=path, expected=expected))
    found: Measurement = answer.measurement
    assert found.readings["matches_request"].value == 1.0
    assert (found.readings["motion"].value or 0) > 0
