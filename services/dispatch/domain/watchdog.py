"""Servers that answer and render nothing: their executor has died or hangs, and nothing that they say shows it.

What shows it is a prompt that runs for longer than makes sense, and does not stop when told to.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace

TIMES_EXPECTED = 20
"""A render may take so many times what its like took: another GPU, a cold start, a server that is shared."""

LEAST_SECONDS = 600.0
"""No render is stopped before that because of what others took: a large model may take minutes to load."""


def time_limit(expected_seconds: float | None, *, most: float) -> float:
    """How long one prompt may run, in seconds; `most` where nothing is known of its like."""
    if expected_seconds is None:
        return most
    return min(most, max(LEAST_SECONDS, TIMES_EXPECTED * expected_seconds))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """What a server was last seen to run, and since when (seconds of a monotonic clock).

    `halted`: a prompt that was told to stop and did not.
    """

    prompt_id: str | None = None
    since: float = 0.0
    halted: str | None = None

    def looked(self, running: Collection[str], *, now: float) -> "Pulse":
        """After another look at its queue."""
        prompt_id = next(iter(running), None)
        halted = self.halted if self.halted in running else None
        return Pulse(prompt_id=prompt_id, since=self.since if prompt_id == self.prompt_id else now, halted=halted)

    def does_not_stop(self, prompt_id: str) -> "Pulse":
        return replace(self, halted=prompt_id)

    def problem(self, *, own: Collection[str], foreign_limit: float, now: float) -> str | None:
        """Why it is to get no work; None when nothing speaks against it.

        Prompts of our own are watched, and stopped, by those that wait for them; other people's are only waited for.
        """
        if self.halted is not None:
            return (
                f"it was told to stop prompt {self.halted} and still runs it: one long step, or its executor has died; "
                "if this stays, restart ComfyUI there"
            )
        if self.prompt_id is None or self.prompt_id in own or self.since + foreign_limit > now:
            return None
        return (
            f"it has run prompt {self.prompt_id} of somebody else for {now - self.since:.0f} s: interrupt it there, or "
            "restart ComfyUI if it does not stop"
        )
