"""Every SQL statement of smoothing's schema, one class per group of tables."""

from services.smoothing.store.checks import CheckStore
from services.smoothing.store.repairs import RepairStore
from services.smoothing.store.seams import SeamStore
from services.smoothing.store.segments import SegmentStore
from services.smoothing.store.thresholds import ThresholdStore

__all__ = ["CheckStore", "RepairStore", "SeamStore", "SegmentStore", "ThresholdStore"]
