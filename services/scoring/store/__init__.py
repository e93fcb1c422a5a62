"""Every SQL statement of scoring's schema, one class per group of tables."""

from services.scoring.store.gates import GateStore
from services.scoring.store.measurements import MeasurementStore
from services.scoring.store.scores import ScoreStore
from services.scoring.store.segments import SegmentStore

__all__ = ["GateStore", "MeasurementStore", "ScoreStore", "SegmentStore"]
