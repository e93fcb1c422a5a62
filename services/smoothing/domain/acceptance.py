"""When a repair is one: the seam is better, and nothing else is worse."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from services.smoothing.domain.seams import DEFAULT_THRESHOLDS, Seam, SeamError, Thresholds, where


class GateStatus(StrEnum):
    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Whether a repair replaces what it repairs. `reasons`: why not; empty if it does."""

    accepted: bool
    reasons: tuple[str, ...]


SMALLEST_GAIN = 0.05
"""Of the visibility: a repair that changes less is a re-encode without a purpose."""

SSIM_TOLERANCE = 0.004
MOVING_TOLERANCE = 0.05
"""What a re-encode moves a plain SSIM by: the tolerance, and this share of what the clip's own steps lack to 1."""


NEW_SEAM = 0.8
"""A step that is visible after a repair is new if it had less than this share of its visibility before."""


def accept(
    *,
    before: Seam,
    after: Seam,
    repaired: int = 0,
    gates_before: Mapping[str, GateStatus] | None = None,
    gates_after: Mapping[str, GateStatus] | None = None,
    thresholds: Thresholds = DEFAULT_THRESHOLDS,
) -> Decision:
    """Seam better, and no gate worse. `repaired`: the offset of the step that was worked on, before and after.

    Better means all of: the worst step of the window is less visible; the SSIM at the repaired step against what the
    motion led to expect is higher (or kept, if SSIM did not see the defect: it sees no colour); the plain SSIM there
    and at the cut is not below what it was, or what the clip's own steps have; and no other step became visible. Both
    seams must be measured against the same limit.
    """
    if before.limit_levels != after.limit_levels:
        raise SeamError("both seams must be measured against the limit of the unrepaired clip")
    reasons = [
        *_seam_reasons(before, after, repaired),
        *_new_seams(before, after, repaired, thresholds),
        *_gate_reasons(gates_before or {}, gates_after or {}),
    ]
    return Decision(accepted=not reasons, reasons=tuple(reasons))


def _seam_reasons(before: Seam, after: Seam, repaired: int) -> list[str]:
    found = []
    if after.worst_visibility > before.worst_visibility * (1 - SMALLEST_GAIN):
        old, new = before.worst_visibility, after.worst_visibility
        found.append(f"the window is not better: visibility {old:.2f} before, {new:.2f} after")
    old, new = before.at(repaired).expected_ssim, after.at(repaired).expected_ssim
    unseen = old >= before.typical_expected_ssim - SSIM_TOLERANCE
    if new <= (old - SSIM_TOLERANCE if unseen else old):
        found.append(f"motion-compensated SSIM {where(repaired)} is not higher: {old:.4f} before, {new:.4f} after")
    tolerance = SSIM_TOLERANCE + MOVING_TOLERANCE * (1 - before.typical_ssim)
    for offset in sorted({0, repaired}):
        old, new = before.at(offset).ssim, after.at(offset).ssim
        if new < min(old, before.typical_ssim) - tolerance:
            found.append(f"SSIM {where(offset)} fell from {old:.4f} to {new:.4f}")
    return found


def _new_seams(before: Seam, after: Seam, repaired: int, thresholds: Thresholds) -> list[str]:
    known = {step.offset: before.visibility(step.offset) for step in before.steps}
    return [
        f"a new seam appears {where(step.offset)}: visibility {after.visibility(step.offset):.2f}"
        for step in after.steps
        if step.offset != repaired
        and after.visibility(step.offset) >= thresholds.yellow_visibility
        and known.get(step.offset, 0.0) < NEW_SEAM * after.visibility(step.offset)
    ]


def _gate_reasons(before: Mapping[str, GateStatus], after: Mapping[str, GateStatus]) -> list[str]:
    """A gate that was measured and is not any more counts as worse: what is unknown is not fine."""
    order = list(GateStatus)
    found = []
    for metric, old in sorted(before.items()):
        new = after.get(metric)
        if new is None:
            found.append(f"gate {metric} was {old} and was not measured again")
        elif order.index(new) > order.index(old):
            found.append(f"gate {metric} got worse: {old} before, {new} after")
    return found
