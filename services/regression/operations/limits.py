"""How long this service waits for others. Every wait has its end."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """`render` one chain, from asking to its last score; `rollback` the catalog's answer; `remeasure` a baseline's."""

    render: timedelta = timedelta(hours=1)
    rollback: timedelta = timedelta(minutes=10)
    remeasure: timedelta = timedelta(minutes=10)

    @property
    def baseline(self) -> timedelta:
        """A run may wait for two chains of a baseline, one after the other, before its own."""
        return 2 * self.render
