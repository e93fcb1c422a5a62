"""One meter per metric: fed frame by frame in one decode pass, it ends in a reading.

A meter keeps numbers, never frames, except the one before. What a number means and how it is computed is the kernels'
part; a meter only decides how frames become one value: the mean where every frame counts the same, the root mean square
for flicker (one flash must not drown in a long clip), the highest for a jump of motion, the share for frozen and black
frames, the number for cuts.
"""

from services.scoring.workers.meters.cast import ColourCastMeter
from services.scoring.workers.meters.comparison import BaselineMeter, HandoverMeter
from services.scoring.workers.meters.flicker import FlickerMeter, StaticFlickerMeter
from services.scoring.workers.meters.identity import IdentityMeter
from services.scoring.workers.meters.look import (
    BlockinessMeter,
    ColourMeter,
    ContrastMeter,
    ExposureMeter,
    NoiseMeter,
    SharpnessMeter,
)
from services.scoring.workers.meters.motion import JumpMeter, MotionMeter, StepsMeter, WarpingMeter
from services.scoring.workers.meters.series import Meter, Series
from services.scoring.workers.meters.stillness import FREEZE_SECONDS, CutMeter, FreezeMeter
from services.scoring.workers.meters.views import View, view

__all__ = [
    "FREEZE_SECONDS",
    "BaselineMeter",
    "BlockinessMeter",
    "ColourCastMeter",
    "ColourMeter",
    "ContrastMeter",
    "CutMeter",
    "ExposureMeter",
    "FlickerMeter",
    "FreezeMeter",
    "HandoverMeter",
    "IdentityMeter",
    "JumpMeter",
    "Meter",
    "MotionMeter",
    "NoiseMeter",
    "Series",
    "SharpnessMeter",
    "StaticFlickerMeter",
    "StepsMeter",
    "View",
    "WarpingMeter",
    "view",
]
