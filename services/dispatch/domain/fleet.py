"""Which free server may take the next job."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerLoad:
    """`own`: prompts of ours on it. `foreign`: prompts of other people in its queue, as of the last look."""

    name: str
    ready: bool
    own: int
    foreign: int


def may_take(name: str, servers: Sequence[ServerLoad]) -> bool:
    """Whether a server may claim work now: it is ready, and no other ready server is idle and less loaded.

    A server busy with other people's prompts leaves work to an idle one, but never refuses when all are busy.
    """
    mine = next((s for s in servers if s.name == name), None)
    if mine is None or not mine.ready:
        return False
    idle = [s for s in servers if s.ready and s.own == 0 and s.name != name]
    return all(mine.foreign <= other.foreign for other in idle)
