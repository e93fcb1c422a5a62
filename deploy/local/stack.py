"""The local stack from outside: start it, look at it, disturb it, take it down."""

import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from deploy.local import preflight, process, secrets
from deploy.local.keeper import State, Status
from deploy.local.plan import DRAIN_SECONDS, plan
from deploy.local.postgres import socket_directory
from deploy.local.problems import SetupProblem
from deploy.local.site import DATA_FOLDERS, REPOSITORY, LocalSite

SUPERVISOR_SECONDS = 20.0
READY_SECONDS = 120.0
ORDER_SECONDS = 2 * DRAIN_SECONDS
DOWN_SECONDS = 3 * DRAIN_SECONDS + 10
"""Three stages stop one after the other, each killed after its drain time."""
LEFTOVER_SECONDS = 15.0
POLL_SECONDS = 0.1

Progress = Callable[[list[Status]], None]


class NotRunning(Exception):
    """No supervisor answers for this stack."""

    def __init__(self, home: Path) -> None:
        super().__init__(f"Nothing runs in {home}. Start it with `make up`.")


class LocalStack:
    """One stack in one folder. Several may run side by side, in other folders and on other ports.

    `environment` is what the stack is told on top of this process's own (RUSHES_PORT_*, RUSHES_TOPIC_PREFIX, ...).
    `attached`: it goes down with the process that started it, for tests; call `start` from the main thread then.
    """

    def __init__(
        self,
        home: Path | None = None,
        environment: Mapping[str, str] | None = None,
        *,
        attached: bool = False,
        durable: bool = True,
    ) -> None:
        told = dict(environment or {})
        if home is not None:
            told["RUSHES_HOME"] = str(home)
        self._environment = told
        self._attached = attached
        self._durable = durable
        self._supervisor: subprocess.Popen[bytes] | None = None
        self.site = LocalSite.from_environment({**os.environ, **told})

    @property
    def home(self) -> Path:
        return self.site.home

    def names(self) -> list[str]:
        """Every process that belongs to the stack."""
        return [planned.name for planned in plan(self.site)]

    def start(self, names: Sequence[str] = ()) -> bool:
        """Start these processes, or all; False when a supervisor runs already (then only what is stopped starts).

        Returns before they are ready. SetupProblem says what is wrong with the machine.
        """
        chosen = list(names) or self.names()
        self._refuse_unknown(chosen)
        preflight.check_folder(self.home)
        with self._locked("up.lock"):
            try:
                status = self.status()
            except NotRunning:
                self._start_supervisor(chosen)
                return True
            stopped = {entry.name for entry in status if entry.state is State.STOPPED}
            if wanted := [name for name in chosen if name in stopped]:
                preflight.check(self.site, wanted)
                self._order({"do": "start", "names": wanted})
            return False

    def wait_ready(
        self, names: Sequence[str] = (), *, seconds: float = READY_SECONDS, progress: Progress | None = None
    ) -> None:
        """Return when these (or all not stopped) are ready and jobs are done; SetupProblem at the deadline."""
        deadline = time.monotonic() + seconds
        while True:
            status = [entry for entry in self.status() if _meant(entry, names)]
            if progress is not None:
                progress(status)
            waiting = [entry for entry in status if entry.state not in {State.READY, State.DONE}]
            if not waiting:
                return
            if time.monotonic() > deadline:
                first = waiting[0]
                reason = first.reason or first.state.value
                raise SetupProblem(
                    f"{first.name} is not ready after {seconds:g} s: {reason}",
                    f"Its log is {self.site.log_file(first.name)}",
                )
            time.sleep(POLL_SECONDS)

    def status(self) -> list[Status]:
        """NotRunning when no supervisor answers."""
        return [
            Status(**{**entry, "state": State(entry["state"])}) for entry in self._order({"do": "status"})["processes"]
        ]

    def process(self, name: str) -> Status:
        self._refuse_unknown([name])
        return next(entry for entry in self.status() if entry.name == name)

    def start_process(self, name: str) -> None:
        """Run again what was stopped."""
        self._refuse_unknown([name])
        self._order({"do": "start", "names": [name]})

    def stop(self, name: str) -> None:
        """Drain it and leave it stopped; returns when it is gone."""
        self._refuse_unknown([name])
        self._order({"do": "stop", "name": name})

    def restart(self, name: str) -> None:
        """Drain it and start it again; returns when the old one is gone."""
        self._refuse_unknown([name])
        self._order({"do": "restart", "name": name})

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> int | None:
        """Send a signal behind the supervisor's back; it restarts what dies. The pid that was hit, if any."""
        self._refuse_unknown([name])
        pid: int | None = self._order({"do": "kill", "name": name, "signal": int(number)})["pid"]
        return pid

    def down(self) -> bool:
        """Drain everything and leave nothing behind, whatever state it is in; False when nothing ran."""
        ran = True
        try:
            self._order({"do": "down"})
        except NotRunning:
            ran = False
        ran = self._end_supervisor() or ran
        return self._end_leftovers() or ran

    def reset(self) -> None:
        """`down`, then remove the data: topics, tables, media, keys and logs. Downloads are kept."""
        self.down()
        for folder in [*DATA_FOLDERS, *(f"comfyui_{index}" for index in range(2, 17))]:
            shutil.rmtree(self.home / folder, ignore_errors=True)
        for outside in (socket_directory(self.home / "postgres"), self.site.control_socket().parent):
            if self.home not in outside.parents:
                shutil.rmtree(outside, ignore_errors=True)

    def _refuse_unknown(self, names: Sequence[str]) -> None:
        known = self.names()
        for name in names:
            if name not in known:
                raise SetupProblem(f"There is no process {name}", f"There are: {', '.join(known)}")

    def _start_supervisor(self, names: list[str]) -> None:
        self._end_leftovers()
        preflight.check(self.site, names)
        secrets.ensure(self.home / "secrets")
        launch = process.Launch(
            name="supervisor",
            command=[sys.executable, "-m", "deploy.local.supervisor", *names, *self._durability()],
            log_file=self.site.log_file("supervisor"),
            environment=self._environment,
            directory=REPOSITORY,
            dies_with_parent=self._attached,
        )
        self._supervisor = process.start(launch)
        deadline = time.monotonic() + SUPERVISOR_SECONDS
        while True:
            try:
                self.status()
                return
            except NotRunning:
                if self._supervisor.poll() is not None or time.monotonic() > deadline:
                    last = (launch.log_file.read_text(errors="replace").splitlines() or ["no output"])[-1]
                    raise SetupProblem(
                        f"The supervisor did not start: {last}", f"Its log is {launch.log_file}"
                    ) from None
                time.sleep(POLL_SECONDS / 2)

    def _durability(self) -> list[str]:
        return [] if self._durable else ["--not-durable"]

    def _order(self, order: dict[str, Any]) -> dict[str, Any]:
        """Say one thing to the supervisor and wait for its answer."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(ORDER_SECONDS)
            try:
                connection.connect(str(self.site.control_socket()))
                connection.sendall(json.dumps(order).encode() + b"\n")
                with connection.makefile("rb") as answers:
                    line = answers.readline()
            except OSError as problem:
                raise NotRunning(self.home) from problem
        if not line:
            raise NotRunning(self.home)
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise ValueError(answer["error"])
        return answer

    @contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        """Two `up` at once: the second waits, then finds the first one's stack."""
        state = self.home / "state"
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (state / name).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _end_supervisor(self) -> bool:
        """Wait for it to go; one that does not is killed. True when there was one."""
        lock_file = self.home / "state" / "supervisor.lock"
        if not lock_file.exists():
            return False
        deadline = time.monotonic() + DOWN_SECONDS
        found = False
        with lock_file.open("w") as lock:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    found = True
                    if time.monotonic() > deadline:
                        os.kill(int((self.home / "state" / "supervisor.pid").read_text()), signal.SIGKILL)
                    time.sleep(POLL_SECONDS)
        if self._supervisor is not None:
            self._supervisor.wait()
            self._supervisor = None
        return found

    def _end_leftovers(self) -> bool:
        """Children of a supervisor that was killed: asked to stop, then killed. True when there were any."""
        file = self.home / "state" / "children.json"
        try:
            children = [found for entry in json.loads(file.read_text()) if (found := _alive(entry)) is not None]
        except (FileNotFoundError, ValueError):
            return False
        for child in children:
            child.send_signal(signal.SIGINT if child.name() == "postgres" else signal.SIGTERM)
        _, stubborn = psutil.wait_procs(children, timeout=LEFTOVER_SECONDS)
        for child in stubborn:
            process.kill_session(child.pid)
        psutil.wait_procs(stubborn, timeout=LEFTOVER_SECONDS)
        file.unlink(missing_ok=True)
        return bool(children)


def _meant(entry: Status, names: Sequence[str]) -> bool:
    return entry.name in names if names else entry.state is not State.STOPPED


def _alive(entry: dict[str, Any]) -> psutil.Process | None:
    """The process of that entry, unless it ended and its number went to another."""
    try:
        found = psutil.Process(entry["pid"])
        same = abs(found.create_time() - entry["created"]) < 0.01 and found.status() != psutil.STATUS_ZOMBIE
        return found if same else None
    except psutil.NoSuchProcess:
        return None
