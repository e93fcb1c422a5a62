"""Prometheus names of scoring."""

from prometheus_client import Counter, Gauge, Histogram

MEASURED = Counter("rushes_scoring_measured_total", "Questions answered, by what the answer is", ["status"])
CRASHES = Counter("rushes_scoring_crashes_total", "Measuring processes that died or ran out of time over a clip")
SCORES_SAID = Counter("rushes_scoring_scores_total", "Scores said, by their gate verdict", ["verdict"])
QUESTIONS_OPEN = Gauge("rushes_scoring_questions_open", "Questions waiting or being measured")
MEASURE_SECONDS = Histogram(
    "rushes_scoring_measure_seconds",
    "Time to measure one clip, decoding included",
    buckets=(0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 128),
)
IDENTITY_PROVIDERS = Gauge(
    "rushes_scoring_identity_provider",
    "What the identity back-end's sessions really run on, as they say themselves after loading",
    ["backend", "version", "provider"],
)
