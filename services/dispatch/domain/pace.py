"""How often people are told of the same thing."""

from dataclasses import dataclass

PROGRESS_SECONDS = 0.5
"""Between two pieces of news of one job: at most two a second."""


@dataclass(slots=True)
class Pace:
    """`spoke`: when something was said last, in seconds of any clock that only goes forward."""

    spoke: float
    seconds: float = PROGRESS_SECONDS

    def may_speak(self, now: float) -> bool:
        """Whether something may be said now; then it counts as said."""
        if now - self.spoke < self.seconds:
            return False
        self.spoke = now
        return True
