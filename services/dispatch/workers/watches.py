"""What is heard of a prompt while it is waited for."""

import asyncio
from dataclasses import dataclass, field

from services.dispatch.adapters.render_server import Progress


@dataclass(slots=True)
class Watch:
    """What the socket says of one prompt. A hint: silence means nothing.

    `nodes`: those whose ends tell how far it is; empty where the nodes report that themselves. `waits`: behind another
    prompt on its server, as of the last look. `recalled`: it is wanted back while it waits.
    """

    needs_id: int
    nodes: frozenset[str] = frozenset()
    fraction: float = 0.0
    news: asyncio.Event = field(default_factory=asyncio.Event)
    ended: bool = False
    waits: bool = False
    recalled: bool = False
    _reached: set[str] = field(default_factory=set)

    def hear(self, told: Progress) -> None:
        """The fraction never falls, whatever is heard late or twice."""
        self._reached.update(self.nodes.intersection((*told.cached, told.node or "")))
        share = told.fraction
        if self.nodes:
            done = len(self._reached - {told.node})
            share = (done + told.fraction) / len(self.nodes) if told.node in self.nodes else done / len(self.nodes)
        self.fraction = max(self.fraction, min(1.0, share))
        self.ended = self.ended or told.ended
        if told.ended or self.waits:
            self.news.set()

    def recall(self) -> None:
        self.recalled = True
        self.news.set()

    async def wait(self, seconds: float) -> None:
        """Until the prompt is said to have ended, at most so long."""
        try:
            await asyncio.wait_for(self.news.wait(), timeout=seconds)
        except TimeoutError:
            return
        self.news.clear()
