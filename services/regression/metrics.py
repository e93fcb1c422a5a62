"""Every Prometheus name of this service."""

from prometheus_client import Counter, Histogram

RUNS_STARTED = Counter("regression_runs_started_total", "Runs by what triggered them", ["trigger"])
RUNS_ENDED = Counter("regression_runs_ended_total", "Runs by trigger and outcome", ["trigger", "outcome"])
RUN_SECONDS = Histogram(
    "regression_run_seconds",
    "Seconds from the start of a run to its end",
    buckets=(1, 5, 15, 30, 60, 120, 300, 600, 1200, 3600, 7200),
)
VERDICTS = Counter("regression_verdicts_total", "Results of references by verdict", ["verdict"])
BASELINES = Counter("regression_baselines_total", "Captured baselines by how they ended", ["status"])
TIMED_OUT = Counter("regression_waits_timed_out_total", "Waits that reached their deadline", ["wait"])
ROLLBACKS = Counter("regression_rollbacks_total", "Rollbacks asked for")
