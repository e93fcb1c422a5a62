"""Prometheus names of the catalog."""

from prometheus_client import Counter

VERSIONS_PUBLISHED = Counter("rushes_catalog_versions_published_total", "Asset versions published", ["kind"])
ROLLBACKS = Counter("rushes_catalog_rollbacks_total", "Rollbacks asked for, by what became of them", ["step"])
UPLOADS_REFUSED = Counter("rushes_catalog_uploads_refused_total", "Source images refused, by the reason", ["reason"])
TOKENS_ISSUED = Counter("rushes_catalog_tokens_issued_total", "Access tokens issued", ["role"])
