"""Which servers may take the next job."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerLoad:
    """`own`: prompts of ours on it, those of other dispatch processes included, as of the last look. `foreign`: prompts
    of other people in its queue, as of then.
    """

    name: str
    ready: bool
    own: int
    foreign: int

    @property
    def load(self) -> int:
        return self.own + self.foreign


def has_place(server: ServerLoad, *, prefetch: int) -> bool:
    """One prompt of ours runs, and `prefetch` more may wait behind it. Other people's prompts take no place of ours."""
    return server.ready and server.own <= prefetch


def rivals(name: str, servers: Sequence[ServerLoad], *, prefetch: int) -> list[str]:
    """The servers that come first for what they can run: they have a place, and less to do."""
    mine = next(server for server in servers if server.name == name)
    return [server.name for server in servers if has_place(server, prefetch=prefetch) and server.load < mine.load]


def left_to(others: Sequence[str], unfit: Mapping[int, Set[str]]) -> list[int] | None:
    """The needs that none of these servers can meet; None: there are no such servers, anything may be taken."""
    if not others:
        return None
    return [needs for needs, servers in unfit.items() if servers >= set(others)]
