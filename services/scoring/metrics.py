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
QUEUE_WAIT_SECONDS = Histogram(
    "rushes_scoring_queue_wait_seconds",
    "From the question to the first worker that took it; a clip measured before does not wait",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800),
)
STAGE_SECONDS = Histogram(
    "rushes_scoring_stage_seconds",
    "Time within the measurement of one clip: decode, meters, identity, compare (with a baseline clip)",
    ["stage"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 32, 64),
)
IDENTITY_PROVIDERS = Gauge(
    "rushes_scoring_identity_provider",
    "What the models of the identity back-end really run on in the measuring processes, as their sessions say",
    ["backend", "version", "model", "provider"],
)
IDENTITY_FALLEN_BACK = Gauge(
    "rushes_scoring_identity_fallen_back", "1 if a graphics card was asked for and a model runs on the processor"
)
