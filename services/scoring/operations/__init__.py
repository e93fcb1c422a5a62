"""Use cases of scoring: each opens one transaction, asks the domain, saves, and says what changed."""

from services.scoring.operations.measuring import MeasuringOperations
from services.scoring.operations.requests import RequestOperations
from services.scoring.operations.segments import SegmentOperations

__all__ = ["MeasuringOperations", "RequestOperations", "SegmentOperations"]
