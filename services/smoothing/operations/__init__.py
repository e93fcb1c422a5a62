"""Use cases of smoothing: each opens one transaction, asks the domain, saves, and says what changed."""

from services.smoothing.operations.checking import CheckOperations
from services.smoothing.operations.reading import Boundaries, Boundary, ReadOperations
from services.smoothing.operations.repairs import RepairOperations
from services.smoothing.operations.segments import SegmentOperations
from services.smoothing.operations.thresholds import ThresholdOperations

__all__ = [
    "Boundaries",
    "Boundary",
    "CheckOperations",
    "ReadOperations",
    "RepairOperations",
    "SegmentOperations",
    "ThresholdOperations",
]
