"""How long a prompt is waited for."""

import time
from dataclasses import dataclass, field

from services.dispatch.adapters.render_server import Queued, Running
from services.dispatch.domain.jobs import Attempt
from services.dispatch.domain.pace import Pace
from services.dispatch.domain.watchdog import LEAST_SECONDS
from shared.clock import utc_now


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long is waited, in seconds. Every wait ends."""

    lease: float
    poll: float
    render: float
    queue: float
    away: float


@dataclass(slots=True, kw_only=True)
class Waiting:
    """The clocks of one wait."""

    patience: Patience
    started: float
    """When it began to wait for other people's prompts: those of ours before it have clocks of their own."""
    limit: float | None = None
    """How long it may run, once that matters."""
    away_since: float | None = None
    pace: Pace = field(default_factory=lambda: Pace(time.monotonic()))
    """Its submission was said."""
    said_fraction: float = 0.0

    def needs_limit(self, attempt: Attempt) -> bool:
        return self.limit is None and _ran_seconds(attempt) > min(LEAST_SECONDS, self.patience.render)

    def too_long(self, found: "Queued | Running | None", attempt: Attempt, *, behind_own: bool) -> str | None:
        now = time.monotonic()
        if behind_own:
            self.started = now
        if isinstance(found, Running):
            if self.limit is not None and _ran_seconds(attempt) > self.limit:
                return f"it ran longer than {self.limit:g} s"
        elif isinstance(found, Queued) and now - self.started > self.patience.queue:
            return f"it waited longer than {self.patience.queue:g} s on the render server"
        return None

    def away_too_long(self) -> bool:
        now = time.monotonic()
        self.away_since = self.away_since or now
        return now - self.away_since > self.patience.away


def _ran_seconds(attempt: Attempt) -> float:
    """By what was written down when it began: a restart of dispatch does not begin its time anew."""
    return 0.0 if attempt.began_at is None else (utc_now() - attempt.began_at).total_seconds()
