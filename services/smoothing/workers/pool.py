"""Measuring processes, kept warm: one request at a time each, killed at a deadline, replaced when they die."""

import sys

from services.smoothing.workers.messages import Checked, CheckRequest, check_line, checked_of
from shared.processes import LinePool, LineProcess


def check_pool(*, size: int, deadline_seconds: float, memory_limit_bytes: int) -> LinePool[CheckRequest, Checked]:
    command = (sys.executable, "-m", "services.smoothing.workers.child", str(memory_limit_bytes))
    return LinePool(
        [LineProcess(command, encode=check_line, decode=checked_of, what="measuring") for _ in range(size)],
        deadline_seconds=deadline_seconds,
    )
