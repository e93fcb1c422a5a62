"""Measuring processes of smoothing: the same answer as without them, and bad clips are answers."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.smoothing.domain import DEFAULT_THRESHOLDS, Method, Progress
from services.smoothing.workers.checking import check
from services.smoothing.workers.messages import PROGRESS_FILE, Checked, CheckRequest, RepairRequest, progress_told
from services.smoothing.workers.pool import check_pool, repair_pool
from shared.processes import BrokeOffError, LinePool, LineProcess
from shared.video.decode import examine
from tests.support.clips import camera, clip, photograph

GIB = 1024**3


@pytest.fixture
async def pool() -> AsyncIterator[LinePool[CheckRequest, Checked]]:
    pool = check_pool(size=1, deadline_seconds=3000, memory_limit_bytes=4 * GIB)
    yield pool
    await pool.stop()


async def test_the_process_measures_what_the_function_measures(
    pool: LinePool[CheckRequest, Checked], tmp_path: Path
) -> None:
    previous = clip(tmp_path / "a.mp4", camera(photograph("astronaut")))
    following = clip(tmp_path / "b.mp4", camera(photograph("coffee")))
    answer = await pool.ask(CheckRequest(previous=previous, next=following))
    assert answer.found == check(previous, following)
    assert answer.seconds > 0


async def test_what_is_wrong_with_the_clips_is_an_answer_and_the_process_goes_on(
    pool: LinePool[CheckRequest, Checked], tmp_path: Path
) -> None:
    good = clip(tmp_path / "good.mp4", camera(photograph("astronaut")))
    empty = tmp_path / "empty.mp4"
    empty.touch()
    faster = clip(tmp_path / "faster.mp4", camera(photograph("astronaut")), fps=24)
    assert (await pool.ask(CheckRequest(previous=good, next=empty))).found == "the file is empty (0 bytes)"
    found = (await pool.ask(CheckRequest(previous=good, next=faster))).found
    assert found == "the clips run at 16 and 24 frames per second"


async def test_a_repair_tells_what_it_made_or_why_it_made_nothing(tmp_path: Path) -> None:
    previous = clip(tmp_path / "a.mp4", camera(photograph("astronaut")))
    smaller = clip(tmp_path / "b.mp4", camera(photograph("astronaut"), size=(128, 128)))
    empty = tmp_path / "c.mp4"
    empty.touch()
    pool = repair_pool(size=1, deadline_seconds=3000, memory_limit_bytes=4 * GIB)
    try:
        found = [await pool.ask(wish(previous, other, tmp_path / "out")) for other in (smaller, empty, previous)]
    finally:
        await pool.stop()
    assert [answer.reasons[0] for answer in found[:2]] == [
        "clips of different sizes can be checked, but not smoothed",
        "the file is empty (0 bytes)",
    ]
    assert [answer.files for answer in found[:2]] == [(), ()]
    # The same clip twice is cut where its frames meet again.
    earlier, later = found[2].files
    assert found[2].before is not None and found[2].after is not None
    assert found[2].after.worst_visibility < found[2].before.worst_visibility
    assert (earlier.side, later.side) == ("previous", "next")
    assert (earlier.frames + earlier.dropped_at_end, later.frames + later.dropped_at_start) == (16, 16)
    for file in (earlier, later):
        whole = examine(file.path)
        assert (whole.frame_digest, whole.last_frame_png) == (file.frame_digest, file.last_frame.read_bytes())
    kept = {path for file in (earlier, later) for path in (file.path, file.last_frame)}
    assert set(tmp_path.glob("out/*")) - {tmp_path / "out" / PROGRESS_FILE} == kept, "what is refused is not kept"
    encoded = earlier.frames + later.frames
    assert progress_told(tmp_path / "out") == Progress(done=encoded, total=encoded)


def wish(previous: Path, following: Path, out: Path) -> RepairRequest:
    return RepairRequest(
        previous=previous,
        next=following,
        method=Method.RE_EXTRACTION,
        frames=None,
        limits=DEFAULT_THRESHOLDS,
        out=out,
    )


async def test_a_process_that_dies_or_hangs_costs_one_request(tmp_path: Path) -> None:
    once = tmp_path / "once"
    script = (
        f"import os, pathlib, sys, time\nonce = pathlib.Path({str(once)!r})\n"
        "for line in sys.stdin:\n"
        "    if not once.exists():\n        once.touch(); os.kill(os.getpid(), 11)\n"
        "    if 'hang' in line:\n        time.sleep(600)\n"
        "    print(line, end='', flush=True)\n"
    )
    process: LineProcess[bytes, bytes] = LineProcess(
        (sys.executable, "-c", script), encode=lambda line: line, decode=lambda line: line, what="test"
    )
    try:
        with pytest.raises(BrokeOffError, match=r"the test process died \(signal 11\)"):
            await process.ask(b"a\n", deadline_seconds=300)
        assert await process.ask(b"b\n", deadline_seconds=300) == b"b\n"
        with pytest.raises(BrokeOffError, match=r"no answer within 0\.5 s"):
            await process.ask(b"hang\n", deadline_seconds=0.5)
        assert await process.ask(b"c\n", deadline_seconds=300) == b"c\n"
    finally:
        await process.stop()


async def test_the_process_ends_with_its_input_and_ignores_a_terminal_signal() -> None:
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.smoothing.workers.child",
        "check",
        str(4 * GIB),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert child.stdin is not None and child.stdout is not None
    child.stdin.write(b'{"previous": "/nowhere/a", "next": "/nowhere/b"}\n')
    assert b"not_measurable" in await child.stdout.readline()
    os.kill(child.pid, signal.SIGINT)
    os.kill(child.pid, signal.SIGTERM)
    child.stdin.write(b'{"nonsense": 1}\n')
    assert b'"failure": "KeyError' in await child.stdout.readline()
    child.stdin.close()
    assert await asyncio.wait_for(child.wait(), 300) == 0
