"""Every Prometheus name of dispatch."""

from prometheus_client import Counter, Gauge, Histogram

SECONDS = (0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800)

RENDERS = Counter(
    "rushes_dispatch_renders_total",
    "Attempts by how they ended: adopted, failed, lost, abandoned, withdrawn",
    ["outcome"],
)
REPEATED_RENDERS = Counter(
    "rushes_dispatch_repeated_renders_total", "Attempts that may render again what an earlier attempt rendered"
)
REPAIRS = Counter(
    "rushes_dispatch_repairs_total",
    "Repaired boundaries by what became of them: proposed, accepted, rejected, undone",
    ["outcome"],
)
RENDER_SECONDS = Histogram(
    "rushes_dispatch_render_seconds",
    "From the beginning of a render to its end",
    ["tier"],
    buckets=SECONDS,
)
QUEUED_SECONDS = Histogram(
    "rushes_dispatch_queued_seconds", "From job queued to the beginning of its render", ["purpose"], buckets=SECONDS
)
RECLAIMED_LEASES = Counter(
    "rushes_dispatch_reclaimed_leases_total", "Jobs taken back from a worker that stopped renewing its lease"
)
REATTACHED = Counter(
    "rushes_dispatch_reattached_total", "Jobs that went on with a prompt sent earlier instead of sending another"
)
SCORE_GATES = Counter(
    "rushes_dispatch_score_gates_total",
    "What followed from scores that a chain waited for: passed, retried, paused",
    ["outcome"],
)
SERVER_READY = Gauge("rushes_dispatch_server_ready", "1 when the render server answers", ["server"])
SERVER_QUEUE = Gauge("rushes_dispatch_server_queue", "Prompts on the render server as of the last look", ["server"])
