"""Keeping one process as it is wanted: started, probed, restarted when it dies, drained when it is no longer wanted."""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum

from deploy.local import process
from deploy.local.plan import Planned
from deploy.local.problems import SetupProblem

FIRST_BACKOFF_SECONDS = 0.25
LONGEST_BACKOFF_SECONDS = 15.0
SETTLED_SECONDS = 20.0
"""A process that lived this long is not failing at start: its next restart is quick again."""
POLL_SECONDS = 0.05
PROBE_EVERY_SECONDS = 0.2
READY_PROBE_EVERY_SECONDS = 1.0
LARGEST_LOG_BYTES = 20 << 20


class State(StrEnum):
    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    BACKING_OFF = "backing off"
    STOPPED = "stopped"
    DONE = "done"


@dataclass(slots=True)
class Status:
    """What `status` shows of one process; `reason` says why it is not ready, or how it ended."""

    name: str
    state: State
    pid: int | None
    port: int | None
    restarts: int
    started_at: float | None
    reason: str | None

    def to_json(self) -> dict[str, object]:
        return asdict(self)


class Keeper:
    """One process and its wanted state. All of it runs in the supervisor's event loop."""

    def __init__(self, planned: Planned, *, on_change: Callable[[], None]) -> None:
        self.planned = planned
        self.status = Status(planned.name, State.STOPPED, None, planned.port, 0, None, None)
        self._on_change = on_change
        self._wanted = asyncio.Event()
        self._gone = asyncio.Event()
        self._gone.set()
        self._child: subprocess.Popen[bytes] | None = None
        self._launch: process.Launch | None = None
        self._quick_deaths = 0

    def want(self) -> None:
        """Run it (a job that is done runs again)."""
        if not self._wanted.is_set():
            self._quick_deaths = 0
            self._set(State.WAITING, None)
            self._wanted.set()

    async def stop(self) -> None:
        """Not wanted any more: ask it to stop, kill it after its drain time, return when it is gone."""
        self._wanted.clear()
        child = self._child
        if child is not None and child.poll() is None and self._launch is not None:
            child.send_signal(self._launch.stop_signal)
            try:
                await asyncio.wait_for(self._gone.wait(), self.planned.drain_seconds)
            except TimeoutError:
                process.kill_session(child.pid)
        await self._gone.wait()
        if self.status.state is not State.DONE:
            self._set(State.STOPPED, None)

    def signal(self, number: signal.Signals) -> int | None:
        """Send it a signal without changing what is wanted; its pid, or None when it does not run."""
        child = self._child
        if child is None or child.poll() is not None:
            return None
        if number is signal.SIGKILL:
            process.kill_session(child.pid)
        else:
            child.send_signal(number)
        return child.pid

    async def run(self, others: Mapping[str, "Keeper"]) -> None:
        """For ever: wait until wanted, start, watch, and start again as long as it is wanted."""
        while True:
            await self._wanted.wait()
            self._gone.clear()
            try:
                if await self._prerequisites(others):
                    await self._one_life()
            finally:
                self._gone.set()
            if self._wanted.is_set():
                await self._back_off()

    async def _prerequisites(self, others: Mapping[str, "Keeper"]) -> bool:
        needed = [others[name] for name in self.planned.after if name in others]
        while self._wanted.is_set():
            missing = [keeper.planned.name for keeper in needed if keeper.status.state is not State.READY]
            if not missing:
                return True
            self._set(State.WAITING, f"for {', '.join(missing)}")
            await asyncio.sleep(POLL_SECONDS)
        return False

    async def _one_life(self) -> None:
        self._set(State.STARTING, None)
        try:
            self._launch = await asyncio.to_thread(self.planned.prepare)
            if not self._wanted.is_set():
                return
            _rotate(self._launch)
            self._child = process.start(self._launch)
        except (SetupProblem, OSError, subprocess.SubprocessError) as problem:
            self._quick_deaths += 1
            self.status.reason = str(problem)
            return
        started = time.monotonic()
        self.status.pid, self.status.started_at = self._child.pid, time.time()
        self._on_change()
        probing = asyncio.create_task(self._probe())
        while self._child.poll() is None:
            await asyncio.sleep(POLL_SECONDS)
        probing.cancel()
        process.kill_session(self._child.pid)
        self._ended(self._child.returncode, time.monotonic() - started)

    def _ended(self, code: int, lived_seconds: float) -> None:
        self.status.pid = None
        self._child = None
        if self.planned.one_shot and code == 0:
            self._wanted.clear()
            self._set(State.DONE, None)
        elif self._wanted.is_set():
            self._quick_deaths = 1 if lived_seconds > SETTLED_SECONDS else self._quick_deaths + 1
            self.status.restarts += 1
            self.status.reason = f"ended with {_describe(code)}"
        self._on_change()

    async def _back_off(self) -> None:
        self._set(State.BACKING_OFF, self.status.reason)
        seconds = min(LONGEST_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2 ** max(0, self._quick_deaths - 1))
        deadline = time.monotonic() + seconds
        while self._wanted.is_set() and time.monotonic() < deadline:
            await asyncio.sleep(POLL_SECONDS)

    async def _probe(self) -> None:
        while True:
            reason = await self.planned.probe()
            if self._child is not None and self._child.poll() is None and self._wanted.is_set():
                self._set(State.READY if reason is None else State.STARTING, reason)
            await asyncio.sleep(PROBE_EVERY_SECONDS if reason else READY_PROBE_EVERY_SECONDS)

    def _set(self, state: State, reason: str | None) -> None:
        self.status.state, self.status.reason = state, reason


def _describe(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def _rotate(launch: process.Launch) -> None:
    """Keep one older log; checked at each start, so a long life may exceed the limit."""
    if launch.log_file.exists() and launch.log_file.stat().st_size > LARGEST_LOG_BYTES:
        os.replace(launch.log_file, launch.log_file.with_suffix(".log.1"))
