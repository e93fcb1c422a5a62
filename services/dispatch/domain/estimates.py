"""How long renders will take, from how long they took. Waiting in the queue is another matter."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from services.dispatch.domain.scenes import Json, Tier
from services.dispatch.domain.tiers import at_tier

SCALED = ("width", "height", "steps")


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderSample:
    """One finished render. Sizes in pixels, `seconds` on the server, without its queue."""

    width: int
    height: int
    frames: int
    steps: int | None
    seconds: float


def expected_seconds(samples: Sequence[RenderSample], parameters: Json, tier: Tier) -> float | None:
    """For a render of the same workflow and tier with these full-tier parameters; None without any sample.

    Time grows with pixels, frames and steps: the median of the time per unit of work, times the work. What the
    parameters leave to the graph is as it was in the samples.
    """
    if not samples:
        return None
    rendered = at_tier(parameters, tier, bound=[name for name in SCALED if parameters.get(name) is not None])
    return median(sample.seconds * _ratio(sample, rendered) for sample in samples)


def _ratio(sample: RenderSample, wanted: Json) -> float:
    ratio = 1.0
    for name, measured in (
        ("width", sample.width),
        ("height", sample.height),
        ("frames", sample.frames),
        ("steps", sample.steps),
    ):
        if wanted.get(name) is not None and measured:
            ratio *= wanted[name] / measured
    return ratio


def makespan(seconds: Sequence[float], servers: int) -> float | None:
    """When the last of some renders ends if every free server takes the next one; None without a server."""
    if servers < 1:
        return None
    loads = [0.0] * servers
    for one in seconds:
        loads[loads.index(min(loads))] += one
    return max(loads)
