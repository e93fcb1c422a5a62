"""Prometheus names of smoothing."""

from prometheus_client import Counter, Gauge, Histogram

CHECKED = Counter("rushes_smoothing_checked_total", "Pairs of clips measured, by what came of it", ["status"])
CHECKS_OPEN = Gauge("rushes_smoothing_checks_open", "Pairs of clips waiting or being measured")
VERDICTS = Counter("rushes_smoothing_verdicts_total", "Seams of scenes that were said, by verdict", ["verdict"])
REPAIRS = Counter("rushes_smoothing_repairs_total", "Steps of repairs, and seams accepted as they are", ["outcome"])
REPAIRS_OPEN = Gauge("rushes_smoothing_repairs_open", "Repairs that are queued, made or waiting for a decision")
CRASHES = Counter("rushes_smoothing_crashes_total", "Processes that died or ran out of time over a seam", ["work"])
WAIT_SECONDS = Histogram(
    "rushes_smoothing_wait_seconds",
    "From when work was asked for to its first attempt",
    ["work"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800),
)
STAGE_SECONDS = Histogram(
    "rushes_smoothing_stage_seconds",
    "Seconds of one check, or of making one candidate, decoding and encoding included",
    ["stage"],
    buckets=(0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 128, 256),
)
