"""Measuring processes: what goes through the pipe comes out the same, and a process that dies costs one request."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest
from PIL import Image

from services.scoring.adapters.backends import identity_backend
from services.scoring.adapters.identity import FaceRegionBackend
from services.scoring.domain import BackendChoice, Device, Expectation, SourceRegion, given_up, unmeasurable
from services.scoring.metrics import IDENTITY_FALLEN_BACK
from services.scoring.workers.health import IdentityHealth
from services.scoring.workers.measurement import MeasurementRequest, measure
from services.scoring.workers.messages import Answered, answer_line, answer_of, request_line, request_of
from services.scoring.workers.pool import MeasuringProcess, ProcessPool
from shared.processes import BrokeOffError, line_of
from tests.support.clips import camera, clip, photograph
from tests.support.models import face_models

EXPECTED = Expectation(width=160, height=160, frames=6, fps=16)

DEADLINE_SECONDS = 300
"""Only for what hangs: on a new machine the first clip waits until its kernels are compiled, a minute if it is busy."""


@pytest.fixture(scope="module")
def request_(tmp_path_factory: pytest.TempPathFactory) -> MeasurementRequest:
    folder = tmp_path_factory.mktemp("clips")
    Image.fromarray(photograph("astronaut")).save(folder / "source.png")
    path = clip(folder / "clip.mp4", camera(photograph("astronaut"), frames=6))
    return MeasurementRequest(clip=path, expected=EXPECTED, source_image=folder / "source.png", baseline_clip=path)


def test_requests_and_answers_survive_the_pipe(request_: MeasurementRequest) -> None:
    full = MeasurementRequest(
        clip=Path("a"),
        expected=EXPECTED,
        source_image=Path("b"),
        further_source_images=(Path("e"), Path("f")),
        sequence_fps=12.5,
        freeze_seconds=0.75,
        known_region=SourceRegion(kind="face", box=(0.1, 0.2, 0.3, 0.4)),
        previous_clip=Path("c"),
        baseline_clip=Path("d"),
        absent=(("handover_ssim", "gone"),),
    )
    assert request_of(request_line(full)) == full
    assert request_of(request_line(request_)) == request_
    measured = measure(request_, identity=FaceRegionBackend())
    whole = Answered(measurement=measured, seconds=1.5, stages={"decode": 0.5}, providers={"detector": ["CPU"]})
    assert answer_of(answer_line(whole)) == whole
    nothing = Answered(measurement=unmeasurable("no", decodable=False), seconds=0.0)
    assert answer_of(answer_line(nothing)) == nothing
    with pytest.raises(BrokeOffError, match="out of memory"):
        answer_of(line_of({"failure": "out of memory"}))
    for line in (request_line(full), answer_line(whole), line_of({"failure": "two\nlines"})):
        assert line.count(b"\n") == 1 and line.endswith(b"\n")


async def test_a_real_process_measures_what_the_function_measures(request_: MeasurementRequest) -> None:
    pool = ProcessPool(size=1, deadline_seconds=DEADLINE_SECONDS, memory_limit_bytes=4 * 1024**3)
    try:
        first = await pool.measure(request_)
        again = await pool.measure(request_)
    finally:
        await pool.stop()
    assert first.measurement == again.measurement == measure(request_, identity=FaceRegionBackend())
    assert set(first.stages) == {"decode", "meters", "identity", "compare"}
    assert 0 < sum(first.stages.values()) <= first.seconds
    assert pool.providers() == [{}]


def played(script: str) -> MeasuringProcess:
    return MeasuringProcess((sys.executable, "-c", script))


ECHO_UNMEASURABLE = """
import sys
from services.scoring.domain import unmeasurable
from services.scoring.workers.messages import Answered, answer_line
answer = answer_line(Answered(measurement=unmeasurable("echo", decodable=True), seconds=0.0))
for line in sys.stdin.buffer:
    sys.stdout.buffer.write(answer); sys.stdout.flush()
"""


async def test_a_process_that_dies_over_a_request_says_how_and_the_next_one_is_fresh(
    request_: MeasurementRequest, tmp_path: Path
) -> None:
    once = tmp_path / "once"
    process = played(
        f"import os, pathlib\nonce = pathlib.Path({str(once)!r})\nimport sys\n"
        "if not once.exists():\n    once.touch(); sys.stdin.readline(); os.kill(os.getpid(), 11)\n" + ECHO_UNMEASURABLE
    )
    try:
        with pytest.raises(BrokeOffError, match="signal 11"):
            await process.ask(request_, deadline_seconds=DEADLINE_SECONDS)
        answer = await process.ask(request_, deadline_seconds=DEADLINE_SECONDS)
        assert answer.measurement.not_measurable == "echo"
    finally:
        await process.stop()


async def test_a_process_that_hangs_is_killed_at_the_deadline(request_: MeasurementRequest) -> None:
    process = played("import time\ntime.sleep(600)")
    with pytest.raises(BrokeOffError, match=r"no answer within 0\.5 s"):
        await process.ask(request_, deadline_seconds=0.5)
    assert process._process is None


async def test_a_failure_that_the_process_reports_is_the_reason(request_: MeasurementRequest) -> None:
    script = 'import sys\nsys.stdin.readline()\nprint(\'{"failure": "measuring needed more memory"}\', flush=True)'
    process = played(script)
    with pytest.raises(BrokeOffError, match="more memory"):
        await process.ask(request_, deadline_seconds=DEADLINE_SECONDS)
    await process.stop()


async def test_the_process_ends_with_its_input_and_ignores_a_terminal_signal(request_: MeasurementRequest) -> None:
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.scoring.workers.child",
        str(4 * 1024**3),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert child.stdin is not None and child.stdout is not None
    child.stdin.write(request_line(request_))
    assert isinstance(answer_of(await child.stdout.readline()), Answered)
    os.kill(child.pid, signal.SIGINT)
    os.kill(child.pid, signal.SIGTERM)
    child.stdin.write(request_line(request_))
    assert isinstance(answer_of(await child.stdout.readline()), Answered)
    child.stdin.close()
    assert await asyncio.wait_for(child.wait(), DEADLINE_SECONDS) == 0


async def test_a_pool_hands_out_each_process_to_one_request_at_a_time(request_: MeasurementRequest) -> None:
    pool = ProcessPool(size=2, deadline_seconds=DEADLINE_SECONDS, memory_limit_bytes=4 * 1024**3)
    try:
        answers = await asyncio.gather(*(pool.measure(request_) for _ in range(4)))
    finally:
        await pool.stop()
    assert all(answer.measurement == answers[0].measurement for answer in answers)


def test_questions_are_given_up_after_few_crashes_or_many_lost_leases() -> None:
    assert given_up(claims=1, crashes=0) is None
    assert given_up(claims=3, crashes=2) is None
    assert given_up(claims=3, crashes=3, reason="signal 11") == "measuring broke off 3 times: signal 11"
    assert given_up(claims=30, crashes=0) is None
    assert given_up(claims=31, crashes=0) == "measuring was begun 30 times and never ended"


@pytest.mark.skipif(face_models() is None, reason="no face models: set RUSHES_FACE_MODELS")
async def test_the_process_compares_faces_with_the_back_end_it_is_told(request_: MeasurementRequest) -> None:
    choice = BackendChoice(name="onnx-pair", models=str(face_models()))
    pool = ProcessPool(size=1, deadline_seconds=DEADLINE_SECONDS, memory_limit_bytes=4 * 1024**3, identity=choice)
    try:
        answered = await pool.measure(request_)
    finally:
        await pool.stop()
    assert answered.measurement == measure(request_, identity=identity_backend(choice))
    assert answered.measurement != measure(request_, identity=FaceRegionBackend())


@pytest.mark.skipif(face_models() is None, reason="no face models: set RUSHES_FACE_MODELS")
async def test_health_says_what_the_processes_models_run_on_before_the_first_clip() -> None:
    """With onnxruntime for processors, where a request for CUDA falls back without an error."""
    choice = BackendChoice(name="onnx-pair", models=str(face_models()), device=Device.CUDA)
    pool = ProcessPool(size=2, deadline_seconds=DEADLINE_SECONDS, memory_limit_bytes=4 * 1024**3, identity=choice)
    health = IdentityHealth(processes=pool, backend="onnx-pair", version="1", device=Device.CUDA)
    try:
        await health.start()
        problem = await health.problem()
    finally:
        await pool.stop()
    assert problem is not None and "runs on CPUExecutionProvider" in problem
    assert health.fact()["providers"] == {
        "detector": ["CPUExecutionProvider"], "recogniser": ["CPUExecutionProvider"],
    }  # fmt: skip
    assert IDENTITY_FALLEN_BACK._value.get() == 1


async def test_a_process_that_cannot_start_is_told_by_health_and_does_not_end_the_service() -> None:
    pool = ProcessPool(
        size=1, deadline_seconds=DEADLINE_SECONDS, memory_limit_bytes=4 * 1024**3, identity=BackendChoice(name="magic")
    )
    health = IdentityHealth(processes=pool, backend="face-region", version="1", device=Device.CPU)
    await health.start()
    assert await health.problem() == "the measuring process died (exit status 1)"
    await pool.stop()
