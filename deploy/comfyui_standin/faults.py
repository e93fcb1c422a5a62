"""Faults on demand. All off by default; see README.md for the JSON that sets them."""

import threading
from dataclasses import asdict, dataclass, fields
from typing import Any

FAILURES = {
    "out_of_memory": ("torch.OutOfMemoryError", "Allocation on device \nThis error means you ran out of memory."),
    "bad_value": ("ValueError", "injected: this node can't work with what it got"),
    "runtime": ("RuntimeError", "injected: something went wrong"),
}
"""Kind of injected failure -> (exception type as reported, message)."""


class InjectedFailure(Exception):
    """A node failure made on demand, reported under another exception type's name."""

    def __init__(self, kind: str) -> None:
        self.reported_type, message = FAILURES[kind]
        super().__init__(message)


@dataclass
class Faults:
    """What goes wrong from now on.

    Counters fall by one each time they strike; the rest holds until it is set again. Seconds are wall-clock seconds.
    """

    fail_next_prompts: int = 0
    fail_class: str = ""
    fail_kind: str = "runtime"
    extra_seconds: float = 0.0
    constant_render_s: float | None = None
    history_delay_s: float = 0.0
    lose_next_replies: int = 0
    refuse_next_prompts: int = 0
    drop_sockets_next_prompts: int = 0
    kill_executor: bool = False

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    def change(self, wanted: dict[str, Any]) -> None:
        """Set some; raises ValueError with the reason, and then nothing is changed."""
        kinds: dict[str, tuple[type, ...]] = {
            "fail_class": (str,), "fail_kind": (str,), "kill_executor": (bool,),
            "extra_seconds": (int, float), "history_delay_s": (int, float),
            "constant_render_s": (int, float, type(None)),
        }  # fmt: skip
        known = {field.name for field in fields(self)}
        for name, value in wanted.items():
            if name not in known:
                raise ValueError(f"no such fault: {name}; there are {', '.join(sorted(known))}")
            allowed = kinds.get(name, (int,))
            if not isinstance(value, allowed) or (isinstance(value, bool) and bool not in allowed):
                raise ValueError(f"{name}: wrong type {type(value).__name__}")
            if isinstance(value, int | float) and value < 0:
                raise ValueError(f"{name}: must not be negative")
        if wanted.get("fail_kind", self.fail_kind) not in FAILURES:
            raise ValueError(f"fail_kind: one of {', '.join(FAILURES)}")
        for name, value in wanted.items():
            setattr(self, name, value)

    def clear(self) -> None:
        """All off again."""
        for field in fields(self):
            setattr(self, field.name, field.default)

    def ends_at(self, *, began: float, rendered: float) -> float:
        """When a prompt may end, on the clock of these two times: when it began, and when its own work was done."""
        fixed = self.constant_render_s
        return rendered + self.extra_seconds if fixed is None else began + fixed

    def strikes(self, counter: str) -> bool:
        """Count one down; False when it stands at 0."""
        with self._lock:
            left = int(getattr(self, counter))
            if left > 0:
                setattr(self, counter, left - 1)
            return left > 0

    def shown(self) -> dict[str, Any]:
        """Everything as JSON."""
        return asdict(self)
