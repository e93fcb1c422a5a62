"""Prometheus names that every service has."""

from prometheus_client import Counter, Gauge, Histogram

EVENTS_HANDLED = Counter("rushes_events_handled_total", "Messages by what became of them", ["topic", "outcome"])
EVENTS_SAID = Counter("rushes_events_said_total", "Messages that the outbox relay published", ["topic"])
OUTBOX_WAITING = Gauge("rushes_outbox_waiting", "Events in the outbox that are not published yet")
EVENTS_PARKED = Gauge("rushes_events_parked", "Events that wait for a fact they need")
WORK_SECONDS = Histogram(
    "rushes_work_seconds",
    "Seconds per step of a worker",
    ["worker"],
    buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)
WORK_FAILURES = Counter("rushes_work_failures_total", "Steps of a worker that raised", ["worker"])
HTTP_SECONDS = Histogram("rushes_http_seconds", "Seconds per request", ["method", "route", "status"])
