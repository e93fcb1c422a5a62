"""One child process: started in its own session, logged to a file, and never outliving the one that started it."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """How to start one process and how to ask it to stop.

    `stop_signal` is also what the kernel sends when the starting process dies (Linux), so that a killed supervisor or
    test run leaves nothing behind. `user_id` and `group_id` are set only where root must drop its privileges.
    """

    name: str
    command: Sequence[str]
    log_file: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    directory: Path | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    user_id: int | None = None
    group_id: int | None = None
    dies_with_parent: bool = True


def start(launch: Launch) -> subprocess.Popen[bytes]:
    """Start it, from a thread that lives as long as the child should: the kernel watches threads, not processes."""
    launch.log_file.parent.mkdir(parents=True, exist_ok=True)
    with launch.log_file.open("ab") as log:
        return subprocess.Popen(
            list(launch.command),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=launch.directory,
            env={**os.environ, **launch.environment},
            start_new_session=True,
            user=launch.user_id,
            group=launch.group_id,
            extra_groups=[] if launch.user_id is not None else None,
            preexec_fn=_die_with_parent(launch.stop_signal, os.getpid()) if launch.dies_with_parent else None,
        )


def stop(process: subprocess.Popen[bytes], *, stop_signal: signal.Signals, drain_seconds: float) -> int:
    """Ask it to stop, kill its whole session after the deadline, and return its exit code."""
    if process.poll() is None:
        process.send_signal(stop_signal)
        try:
            process.wait(drain_seconds)
        except subprocess.TimeoutExpired:
            kill_session(process.pid)
    return process.wait()


def kill_session(pid: int) -> None:
    """SIGKILL the process and whatever it started (each child leads its own process group)."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def _die_with_parent(death_signal: signal.Signals, parent: int) -> Callable[[], None] | None:
    """Runs in the child after its privileges were dropped (dropping them would clear the request)."""
    libc = _libc
    if libc is None:
        return None

    def request() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return request
