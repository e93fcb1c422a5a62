"""A keeper runs its process as it is wanted; tried on shell scripts."""

import asyncio
import signal
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from deploy.local.keeper import FIRST_BACKOFF_SECONDS, Keeper, State
from deploy.local.plan import Planned
from deploy.local.problems import SetupProblem
from deploy.local.process import Launch

SECONDS = 60
"""What takes longer hangs: the longest wait here is for four starts, 2 s of them pauses."""


class Watched(Keeper):
    """A keeper of which no state is missed, however short it was and however late the test comes to look."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self.seen: deque[tuple[State, str | None]] = deque()
        super().__init__(*arguments, **named)

    def _set(self, state: State, reason: str | None) -> None:
        super()._set(state, reason)
        self.seen.append((state, reason))


Make = Callable[..., Awaitable[Watched]]


async def ready() -> str | None:
    return None


async def until(keeper: Watched, state: State) -> str | None:
    """Until it has been in this state since what was waited for last; the reason that it gave then."""
    async with asyncio.timeout(SECONDS):
        while True:
            while keeper.seen:
                was, reason = keeper.seen.popleft()
                if was is state:
                    return reason
            await asyncio.sleep(0.01)


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    """Makes a wanted keeper of a shell script; all are stopped at the end."""
    keepers: dict[str, Watched] = {}
    tasks: list[asyncio.Task[None]] = []

    async def keeper(script: str, *, name: str = "it", **planned: Any) -> Watched:
        launch = Launch(name=name, command=["sh", "-c", script], log_file=tmp_path / f"{name}.log", directory=tmp_path)
        known: dict[str, Any] = {"prepare": lambda: launch, "probe": ready, "stage": 0, "drain_seconds": 1.0} | planned
        made = Watched(Planned(name=name, **known), on_change=lambda: None)
        keepers[name] = made
        tasks.append(asyncio.create_task(made.run(keepers)))
        made.want()
        return made

    yield keeper
    for made in keepers.values():
        await made.stop()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_process_that_is_killed_comes_back(make: Make) -> None:
    keeper = await make("exec sleep 60")
    await until(keeper, State.READY)
    first = keeper.signal(signal.SIGKILL)
    assert await until(keeper, State.BACKING_OFF) == "ended with SIGKILL"
    await until(keeper, State.READY)
    assert keeper.status.pid != first
    assert keeper.status.restarts == 1


async def test_a_process_that_fails_at_start_is_tried_less_and_less_often(make: Make, tmp_path: Path) -> None:
    keeper = await make("date +%s.%N >> starts; exit 3")
    async with asyncio.timeout(SECONDS):
        while keeper.status.restarts < 4:
            await asyncio.sleep(0.02)
    await keeper.stop()
    starts = [float(line) for line in (tmp_path / "starts").read_text().split()]
    gaps = [after - before for before, after in pairwise(starts)]
    assert len(gaps) >= 3
    for doubled, gap in enumerate(gaps):
        assert gap >= FIRST_BACKOFF_SECONDS * 2**doubled, "a slow machine makes a gap longer, never shorter"


async def test_a_stopped_process_stays_stopped_until_it_is_wanted_again(make: Make) -> None:
    keeper = await make("exec sleep 60")
    await until(keeper, State.READY)
    await keeper.stop()
    assert (keeper.status.state, keeper.status.pid) == (State.STOPPED, None)
    await until(keeper, State.STOPPED)
    keeper.want()
    await until(keeper, State.READY)
    assert keeper.status.restarts == 0


async def test_a_process_that_ignores_the_request_to_stop_is_killed_with_its_children(
    make: Make, tmp_path: Path
) -> None:
    keeper = await make("trap '' TERM; sleep 61 & echo $! > child; wait; sleep 61")
    await until(keeper, State.READY)
    async with asyncio.timeout(SECONDS):
        while not (tmp_path / "child").exists() or not (tmp_path / "child").read_text().strip():
            await asyncio.sleep(0.01)
    child = int((tmp_path / "child").read_text())
    await keeper.stop()
    async with asyncio.timeout(SECONDS):
        while _alive(child):
            await asyncio.sleep(0.01)


def _alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().split(") ")[1][0] != "Z"
    except FileNotFoundError:
        return False


async def test_a_job_is_done_with_its_first_success(make: Make, tmp_path: Path) -> None:
    keeper = await make("echo run >> runs; test $(wc -l < runs) -ge 2", one_shot=True)
    await until(keeper, State.DONE)
    assert (tmp_path / "runs").read_text() == "run\nrun\n"


async def test_a_job_waits_for_what_it_needs(make: Make) -> None:
    busy = asyncio.Event()

    async def not_yet() -> str | None:
        return None if busy.is_set() else "not yet"

    await make("exec sleep 60", name="server", probe=not_yet)
    job = await make("exit 0", name="job", one_shot=True, after=("server",))
    await until(job, State.WAITING)
    async with asyncio.timeout(SECONDS):
        while job.status.reason != "for server":
            await asyncio.sleep(0.01)
    busy.set()
    await until(job, State.DONE)


async def test_a_problem_with_the_machine_is_shown_and_tried_again(make: Make, tmp_path: Path) -> None:
    launch = Launch(name="it", command=["sleep", "60"], log_file=tmp_path / "it.log")
    answers: list[Launch | SetupProblem] = [SetupProblem("No disk", "Buy one"), launch]

    def prepare() -> Launch:
        answer = answers.pop(0)
        if isinstance(answer, SetupProblem):
            raise answer
        return answer

    keeper = await make("", prepare=prepare)
    assert await until(keeper, State.BACKING_OFF) == "No disk. Buy one"
    await until(keeper, State.READY)
