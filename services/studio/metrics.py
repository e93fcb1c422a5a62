"""Every Prometheus name of studio."""

from prometheus_client import Counter, Histogram

ACTIVITY = Counter("rushes_studio_activity_total", "Lines added to the activity feed", ["kind"])
UPSTREAM_SECONDS = Histogram(
    "rushes_studio_upstream_seconds", "Seconds until a service's answer began", ["owner", "status"]
)
UPSTREAM_AWAY = Counter("rushes_studio_upstream_away_total", "Requests whose service did not answer", ["owner"])
MEDIA_BYTES = Counter("rushes_studio_media_bytes_total", "Bytes of media sent")
