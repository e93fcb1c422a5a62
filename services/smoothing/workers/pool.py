"""Processes that measure and repair, kept warm: one request at a time each, killed at a deadline, and replaced.

Repairs have their own: making one takes many times as long as a check, and no check waits for it.
"""

import sys

from services.smoothing.workers.messages import (
    Checked,
    CheckRequest,
    Repaired,
    RepairRequest,
    check_line,
    checked_of,
    repair_line,
    repaired_of,
)
from shared.processes import LinePool, LineProcess

CHILD = (sys.executable, "-m", "services.smoothing.workers.child")


def check_pool(*, size: int, deadline_seconds: float, memory_limit_bytes: int) -> LinePool[CheckRequest, Checked]:
    command = (*CHILD, "check", str(memory_limit_bytes))
    return LinePool(
        [LineProcess(command, encode=check_line, decode=checked_of, what="measuring") for _ in range(size)],
        deadline_seconds=deadline_seconds,
    )


def repair_pool(*, size: int, deadline_seconds: float, memory_limit_bytes: int) -> LinePool[RepairRequest, Repaired]:
    command = (*CHILD, "repair", str(memory_limit_bytes))
    return LinePool(
        [LineProcess(command, encode=repair_line, decode=repaired_of, what="repairing") for _ in range(size)],
        deadline_seconds=deadline_seconds,
    )
